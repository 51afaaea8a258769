# Stop a built cluster, and leave nothing of it: no process, mount, link, rule or file but the cache.

stop_built() {
  [ -d "$STATE/run" ] || return 0
  say "  stop the built cluster"
  # Whatever is gone already is well.
  set +e
  local name
  for name in traefik coredns kube-proxy kubelet; do stop_program $name; done
  kill_containers
  for name in kube-scheduler kube-controller-manager kube-apiserver etcd containerd; do stop_program $name; done
  awk -v state="$STATE" 'index($2, state) == 1 {print $2}' /proc/mounts | sort -r | xargs -r -n1 umount -l
  nft delete table ip kube-proxy; nft delete table ip6 kube-proxy
  ip -o link show master cni0 | awk -F'[ :@]+' '{print $2}' | xargs -r -n1 ip link del
  ip link del cni0
  rm -rf "$STATE"/{etcd,kubelet,pki,cni,containerd,run,log,volumes,kubeconfig,images} "$STATE"/*.{toml,yaml} "$STATE/Corefile" /var/lib/cni/networks/cluster
  set -e
} 2>/dev/null

# The API server takes its time to end while watches are open.
stop_program() {
  local file=$STATE/run/$1.pid pid
  [ -f "$file" ] || return
  pid=$(cat "$file")
  kill "$pid"
  timeout 5 tail --pid="$pid" -f /dev/null || kill -9 "$pid"
  rm -f "$file"
}

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
