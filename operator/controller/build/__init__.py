"""Builders of what the operator writes: a Kubernetes Job, its Secrets, a status, an Event. Pure."""
