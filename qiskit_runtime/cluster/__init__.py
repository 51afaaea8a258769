"""Kubernetes as the operator and the API use it: the client, a watch, and the cache of a kind."""
