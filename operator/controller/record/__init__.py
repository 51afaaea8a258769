"""The record of a running job: from the log of its pod to Redis, and at its end to Secrets."""
