# k8s/install.yaml: the chart as plain manifests, for who has kubectl and no helm.

# render_manifests [-]: write the file, or to stdout.
render_manifests() {
  local file=$ROOT/k8s/install.yaml
  [ "${1:-}" = - ] && file=/dev/stdout
  local helm=$CACHE/bin/helm
  [ -x "$helm" ] || helm=$(command -v helm) || die "helm is needed"
  { print_header; "$helm" template qiskit-runtime "$ROOT/charts/qiskit-runtime" --namespace qiskit-runtime \
    --kube-version "1.$KUBERNETES_MINOR.0" --skip-tests --set ingress.enabled=true \
    --set auth.existingSecret=qiskit-runtime-token --set redis.existingSecret=qiskit-runtime-redis; } >"$file"
}

print_header() {
  cat <<'C'
# The chart as plain manifests, with its default values and an Ingress. Made by `make manifests`;
# change the chart, not this file. The token and Redis' passwords are yours to make first:
#   kubectl create namespace qiskit-runtime
#   kubectl -n qiskit-runtime create secret generic qiskit-runtime-token --from-literal=token=$(openssl rand -hex 20)
#   kubectl -n qiskit-runtime create secret generic qiskit-runtime-redis \
#     --from-literal=api=$(openssl rand -hex 20) --from-literal=operator=$(openssl rand -hex 20)
#   kubectl apply -f k8s/install.yaml
# Jobs run in the namespace qiskit-runtime-jobs.
C
}
