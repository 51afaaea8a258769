# Start a built cluster: seconds, once its programs are compiled and the base images are made.

start_built() {
  # Under load it may not answer for a moment, while others use it.
  if is_running kube-apiserver && (wait_for $READY_SECONDS is_ready "$CACHE/bin/kubectl") >/dev/null; then
    say "  it runs already"; return
  fi
  stop_built
  mkdir -p "$STATE"
  install_packages
  compile_programs
  make_base_images
  step "start it" start_programs
}

is_running() { [ -f "$STATE/run/$1.pid" ] && is_alive "$(cat "$STATE/run/$1.pid")" 2>/dev/null; }

# start NAME COMMAND...: in a session of its own, with a log and a file of its pid.
start() {
  local name=$1; shift
  nohup setsid "$@" >"$STATE/log/$name.log" 2>&1 </dev/null 9>&- &
  echo $! >"$STATE/run/$name.pid"
}

start_programs() {
  local bin=$CACHE/bin config=$STATE/kubeconfig
  mkdir -p "$STATE"/{pki,log,etcd,kubelet,cni,containerd,run} "$STATE"/volumes/{1,2,3}
  # Redis runs as a user of its own; the kubelet does not change the owner of such a volume.
  chmod 777 "$STATE"/volumes/*
  (make_certificates)
  write_configurations
  ip link show cni0 || { ip link add cni0 type bridge; ip addr add $NODE/24 dev cni0; ip link set cni0 up; }
  sysctl -qw net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1 fs.inotify.max_user_instances=1024
  start etcd "$bin/etcd" --data-dir "$STATE/etcd" --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
    --listen-peer-urls http://127.0.0.1:2380 --unsafe-no-fsync --log-level warn
  start kube-apiserver "$bin/kube-apiserver" --etcd-servers http://127.0.0.1:2379 --advertise-address $NODE --secure-port 6443 \
    --client-ca-file "$STATE/pki/ca.crt" --tls-cert-file "$STATE/pki/apiserver.crt" --tls-private-key-file "$STATE/pki/apiserver.key" \
    --kubelet-client-certificate "$STATE/pki/admin.crt" --kubelet-client-key "$STATE/pki/admin.key" --kubelet-preferred-address-types InternalIP \
    --service-account-issuer https://kubernetes.default.svc --service-account-key-file "$STATE/pki/sa.pub" --service-account-signing-key-file "$STATE/pki/sa.key" \
    --audit-policy-file "$STATE/audit.yaml" --audit-log-path "$STATE/log/audit.log" --audit-log-maxsize 200 \
    --service-cluster-ip-range $SERVICES.0/16 --authorization-mode Node,RBAC --allow-privileged
  start containerd containerd --config "$STATE/containerd.toml"
  wait_for 60 "$bin/kubectl" --kubeconfig "$config" get --raw /readyz
  wait_for 30 ctr -a "$SOCKET" version
  load_into_built $PAUSE_IMAGE
  start kube-controller-manager "$bin/kube-controller-manager" --kubeconfig "$config" --use-service-account-credentials \
    --service-account-private-key-file "$STATE/pki/sa.key" --root-ca-file "$STATE/pki/ca.crt" --leader-elect=false
  start kube-scheduler "$bin/kube-scheduler" --kubeconfig "$config" --leader-elect=false
  start kubelet "$bin/kubelet" --kubeconfig "$config" --config "$STATE/kubelet.yaml" --root-dir "$STATE/kubelet" --hostname-override cluster --node-ip $NODE
  start kube-proxy "$bin/kube-proxy" --config "$STATE/proxy.yaml"
  start coredns "$bin/coredns" -conf "$STATE/Corefile"
  start traefik env KUBECONFIG="$config" "$bin/traefik" --global.checknewversion=false --global.sendanonymoususage=false \
    --entrypoints.web.address=127.0.0.1:$INGRESS_PORT --providers.kubernetesingress=true --providers.kubernetesingress.ingressclass=traefik \
    --providers.kubernetesingress.endpoint=https://127.0.0.1:6443 --providers.kubernetesingress.certauthfilepath="$STATE/pki/ca.crt"
  print_manifests | "$bin/kubectl" --kubeconfig "$config" apply -f -
  wait_for 90 bash -c "'$bin/kubectl' --kubeconfig '$config' get node cluster | grep -qw Ready"
}
