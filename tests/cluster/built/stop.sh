# Stop a built cluster, and leave nothing of it: no process, mount, link, rule or file but the cache.

stop_built() {
  [ -d "$STATE/run" ] || return 0
  say "  stop the built cluster"
  # Whatever is gone already is well.
  set +e
  stop_programs traefik coredns kube-proxy kubelet
  kill_containers
  stop_programs kube-scheduler kube-controller-manager kube-apiserver etcd containerd
  awk -v state="$STATE" 'index($2, state) == 1 {print $2}' /proc/mounts | sort -r | xargs -r -n1 umount -l
  nft delete table ip kube-proxy; nft delete table ip6 kube-proxy
  ip -o link show master cni0 | awk -F'[ :@]+' '{print $2}' | xargs -r -n1 ip link del
  ip link del cni0
  rm -rf "$STATE"/{etcd,kubelet,pki,cni,containerd,run,log,volumes,kubeconfig,images} "$STATE"/*.{toml,yaml} "$STATE/Corefile" /var/lib/cni/networks/cluster
  set -e
} 2>/dev/null

# stop_programs NAME...: end all of them at once; those that take longer than 5 s are killed. The API
# server takes its time to end while watches are open.
stop_programs() {
  local name pid tries pids=()
  for name; do [ ! -f "$STATE/run/$name.pid" ] || pids+=("$(cat "$STATE/run/$name.pid")"); done
  kill "${pids[@]}"
  for ((tries = 0; tries < 50; tries++)); do
    for pid in "${pids[@]}"; do ! is_alive "$pid" || { sleep 0.1; continue 2; }; done
    break
  done
  for pid in "${pids[@]}"; do ! is_alive "$pid" || kill -9 "$pid"; done
  for name; do rm -f "$STATE/run/$name.pid"; done
}

# An ended program that nobody has waited for yet is none that runs.
is_alive() { [[ $(ps -o stat= -p "$1") == [!Z]* ]]; }

kill_containers() {
  local task tries
  for tries in 1 2 3 4 5 6 7 8 9 10; do
    local tasks; tasks=$(ctr -a "$SOCKET" -n k8s.io tasks ls -q)
    [ -n "$tasks" ] || return
    for task in $tasks; do ctr -a "$SOCKET" -n k8s.io tasks kill -a -s KILL "$task"; done
    sleep 0.3
    # What was killed is still listed until somebody takes it away.
    for task in $tasks; do ctr -a "$SOCKET" -n k8s.io tasks rm -f "$task"; done
  done
}
