# kind: a cluster in a container, where Docker or Podman runs. The ingress is Traefik on port 8080.

KIND_NAME=qiskit-runtime

start_kind() {
  mkdir -p "$STATE"
  if ! kind get clusters 2>/dev/null | grep -qx $KIND_NAME; then
    step "make it" kind create cluster --name $KIND_NAME --config "$ROOT/k8s/kind.yaml" --kubeconfig "$STATE/kubeconfig" --wait 120s
    # Only what was made here is taken away.
    touch "$STATE/kind"
  fi
  kind get kubeconfig --name $KIND_NAME >"$STATE/kubeconfig"
  kubectl --kubeconfig "$STATE/kubeconfig" apply -f "$HERE/kind/traefik.yaml" >&2
  step "wait for its ingress" kubectl --kubeconfig "$STATE/kubeconfig" -n traefik rollout status deployment/traefik --timeout 180s
}

stop_kind() {
  kind delete cluster --name $KIND_NAME
  rm -f "$STATE/kind" "$STATE/kubeconfig" "$STATE/images"
}
