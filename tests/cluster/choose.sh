# Which cluster: the first of
#   named   the one that KUBECONFIG names; it is used, never made or taken away
#   what runs here already
#   kind    where kind and Docker or Podman are
#   built   compiled from Go modules and run by this machine itself (Linux, root, Go)

choose_kind_of_cluster() {
  # A KUBECONFIG of ours is no choice of the user's.
  if [ -n "${KUBECONFIG:-}" ] && [[ $KUBECONFIG != "$STATE"/* ]]; then echo named
  elif [ -e "$STATE/kind" ]; then echo kind
  elif [ -e "$STATE/run" ]; then echo built
  elif command -v kind >/dev/null && { docker info || podman info; } >/dev/null 2>&1; then echo kind
  elif [ "$(uname -s)" = Linux ] && [ "$(id -u)" = 0 ] && command -v go >/dev/null; then echo built
  else echo none; fi
}

explain_none() {
  die "No cluster can be had here. One of these is needed:
  - KUBECONFIG naming a cluster of yours
  - kind, with Docker or Podman running
  - Linux, root and Go 1.26, to build one (this is $(uname -s), $(id -un)$(command -v go >/dev/null || echo ', no go'))"
}

bring_up() {
  local which; which=$(choose_kind_of_cluster)
  case $which in
    named) say "cluster: the one that KUBECONFIG names ($KUBECONFIG)" ;;
    kind) say "cluster: kind"; start_installed_kind ;;
    built) say "cluster: built, run by this machine"; start_built ;;
    none) explain_none ;;
  esac
  present
}

bring_up_made_kind() {
  [ ! -e "$STATE/run" ] || die "A built cluster runs: make cluster-down"
  make_kind
  start_made_kind
  present
}

present() {
  address
  "$KUBECTL" get nodes -o wide
  say "To use it:  export KUBECONFIG=$KUBECONFIG PATH=$(dirname "$(command -v "$KUBECTL")"):\$PATH"
}

take_down() {
  # What is there decides, not what would be made now.
  if [ -e "$STATE/run" ]; then stop_built; fi
  if [ -e "$STATE/kind" ]; then stop_kind; fi
}

# Set CLUSTER, KUBECONFIG, KUBECTL and HELM, or fail.
address() {
  CLUSTER=$(choose_kind_of_cluster) KUBECTL=kubectl HELM=helm
  case $CLUSTER in
    named) ;;
    kind) export KUBECONFIG=$STATE/kubeconfig ;;
    built) export KUBECONFIG=$STATE/kubeconfig KUBECTL=$CACHE/bin/kubectl HELM=$CACHE/bin/helm ;;
    none) explain_none ;;
  esac
  [ -e "$KUBECONFIG" ] && { [ $CLUSTER != built ] || is_running kube-apiserver; } || die "No cluster runs: make cluster"
  (wait_for $READY_SECONDS is_ready "$KUBECTL") >/dev/null || die "No cluster answers: make cluster"
}

# How long a cluster may take to answer, which others load meanwhile.
READY_SECONDS=60

# is_ready KUBECTL
is_ready() { "$1" --kubeconfig "${KUBECONFIG:-$STATE/kubeconfig}" get --raw /readyz >/dev/null 2>&1; }

print_env() {
  address
  { echo "CLUSTER=$CLUSTER"
  echo "KUBECONFIG=$KUBECONFIG"
  echo "KUBECTL=$(command -v "$KUBECTL")"
  echo "HELM=$(command -v "$HELM" || true)"
  echo "BUILDER=$(choose_builder)"
  [ "$CLUSTER" != built ] || echo "AUDIT_LOG=$STATE/log/audit.log"
  cat "$STATE/images" 2>/dev/null || true; } | sed "s/^/export /"
}

# wait_for SECONDS COMMAND...
wait_for() {
  local until=$((SECONDS + $1)); shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $until ] || { echo "gave up waiting for: $*"; tail -n 20 "$STATE"/log/*.log 2>/dev/null; return 1; }
    sleep 0.2
  done
}
