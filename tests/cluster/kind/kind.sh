# kind: a cluster in containers, where Docker or Podman runs. The ingress is Traefik on port 8080.
#   rig up    by the kind that is installed; its images come from registries
#   rig kind  by one that is made here (node.sh), which needs no registry; two nodes, and both run jobs

KIND_NAME=qiskit-runtime

start_installed_kind() {
  mkdir -p "$STATE"
  print_kind_configuration >"$STATE/kind.yaml"
  start_kind
}

# start_kind [OPTION...]
start_kind() {
  if ! kind get clusters 2>/dev/null | grep -qx $KIND_NAME; then
    step "make it" kind create cluster --name $KIND_NAME --config "$STATE/kind.yaml" --kubeconfig "$STATE/kubeconfig" --wait 180s "$@"
    # Only what was made here is taken away.
    printf %s "${MADE_KIND:-}" >"$STATE/kind"
  fi
  kind get kubeconfig --name $KIND_NAME >"$STATE/kubeconfig"
  route_to_pods replace || say "  this machine has no way to pods: what speaks to them from here can't be tried"
  start_ingress
}

# route_to_pods replace|del. An operator that runs beside the cluster, as in tests, speaks to pods that wait for a job.
route_to_pods() {
  local nodes='{range .items[*]}{.spec.podCIDR} via {.status.addresses[0].address}{"\n"}{end}' root=() route
  [ "$(id -u)" = 0 ] || root=(sudo -n)
  kubectl --kubeconfig "$STATE/kubeconfig" get nodes -o jsonpath="$nodes" | while read -ra route; do
    "${root[@]}" ip route "$1" "${route[@]}"
  done
}

start_ingress() {
  local kubectl="kubectl --kubeconfig $STATE/kubeconfig"
  [ -z "${MADE_KIND:-}" ] || step "load $TRAEFIK_IMAGE" load_into_kind buildah "$TRAEFIK_IMAGE"
  $kubectl apply -f "$HERE/kind/traefik.yaml" >&2
  step "wait for its ingress" $kubectl -n traefik rollout status deployment/traefik --timeout 180s
}

stop_kind() {
  route_to_pods del || true
  kind delete cluster --name $KIND_NAME
  # kind leaves its network. One that another cluster uses stays.
  [ -z "$MADE_KIND" ] || podman network rm kind || true
  rm -f "$STATE"/{kind,kind.yaml,kubeconfig,images,containers.conf}
}

# A kind that is made here: MADE_KIND is the folder of its programs, which the state keeps.
use_made_kind() {
  MADE_KIND=$(cat "$STATE/kind" 2>/dev/null || true)
  [ -z "$MADE_KIND" ] || use_kind_of_made_programs
}

use_kind_of_made_programs() {
  PATH=$MADE_KIND:$PATH
  export CONTAINERS_CONF=$STATE/containers.conf KIND_EXPERIMENTAL_PROVIDER=podman
}

start_made_kind() {
  MADE_KIND=$CACHE/bin
  use_kind_of_made_programs
  write_podman_configuration
  { print_kind_configuration; print_second_node; } >"$STATE/kind.yaml"
  # kind mounts it, and a machine whose kernel has no modules has no such folder.
  mkdir -p /lib/modules
  start_kind --image "$NODE_IMAGE"
}

# Limits: without CAP_SYS_RESOURCE they can't be raised to Podman's own, and its conmon has 32768 processes.
write_podman_configuration() {
  cat >"$STATE/containers.conf" <<C
[containers]
default_ulimits = ["nofile=$(ulimit -Hn):$(ulimit -Hn)", "nproc=32768:32768"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
C
}

print_kind_configuration() { sed "s/hostPort: 8080/hostPort: $INGRESS_PORT/" "$ROOT/k8s/kind.yaml"; }

# Pods have addresses of their own: what passes between nodes passes the machine's bridge and its rules too, and those of a built
# cluster, or what CNI has left of it, are for pods in 10.244.0.0/16.
print_second_node() {
  cat <<C
  - role: worker
networking: {podSubnet: 10.245.0.0/16}
kubeadmConfigPatches:
  - |
    # Both nodes run jobs.
    kind: InitConfiguration
    nodeRegistration: {taints: []}
C
}

# load_into_kind TOOL IMAGE. kind asks Docker alone for an image by its name.
load_into_kind() {
  local archive
  if [ "$1" = docker ]; then kind load docker-image --name $KIND_NAME "$2"; return; fi
  archive=$(mktemp -u "$STATE/image.XXXX.tar")
  "$1" push -q "$2" "docker-archive:$archive:$2"
  kind load image-archive --name $KIND_NAME "$archive"
  rm -f "$archive"
}

# use_node stop|start|exec NAME [COMMAND...]
use_node() {
  local tool=docker
  [ "$CLUSTER" = kind ] || die "Only a node of kind can be used so"
  docker container inspect "$2" >/dev/null 2>&1 || tool=podman
  case $1 in
    stop) "$tool" kill "$2" ;;
    start) "$tool" start "$2" ;;
    exec) "$tool" exec "${@:2}" ;;
  esac
}
