"""The client of the Kubernetes API, its errors, a watch, and the cache of a kind of resource."""
