"""Resources of Kubernetes as the stores of the API read and write them."""
