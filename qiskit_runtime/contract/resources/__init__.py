"""Jobs, programs and backends, and their forms as Kubernetes resources. Described with pydantic."""
