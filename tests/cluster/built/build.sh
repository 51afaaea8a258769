# Compile the programs of a cluster into the cache: Kubernetes, etcd and CoreDNS as one binary, helm
# and Traefik beside it. About ten minutes on two cores, a minute when Go's own cache is warm.

PROGRAMS="etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy coredns kubectl kubeadm"
KUBERNETES_MINOR=34
KUBERNETES=v1.$KUBERNETES_MINOR.4

compile_programs() {
  mkdir -p "$CACHE/bin"
  # Two at once, a CI run and a person's, would only take longer.
  exec 9>"$CACHE/lock"; flock 9
  if [ -e "$CACHE/complete" ]; then exec 9>&-; return; fi
  say "Compiling a Kubernetes, once (about ten minutes on two cores) into $CACHE"
  step "download modules" download_modules
  step "compile Kubernetes, etcd, CoreDNS, kubectl" compile_kubernetes
  step "compile helm" compile_helm
  step "compile Traefik, the ingress" compile_ingress
  step "compile the pause program" compile_in "$HERE/built" pause ./pause.go
  for program in $PROGRAMS; do ln -sf cluster "$CACHE/bin/$program"; done
  touch "$CACHE/complete"
  exec 9>&-
}

download_modules() {
  (cd "$HERE/built" && go mod download) && (cd "$HERE/built/ingress" && go mod download)
}

# compile_in FOLDER NAME PACKAGE [LINKER FLAGS]
compile_in() {
  (cd "$1" && CGO_ENABLED=0 go build -trimpath -ldflags "-s -w ${4:-}" -o "$CACHE/bin/$2" "$3")
}

compile_kubernetes() {
  local version=k8s.io/component-base/version
  compile_in "$HERE/built" cluster ./main.go "-X $version.gitVersion=$KUBERNETES -X $version.gitMajor=1 \
    -X $version.gitMinor=$KUBERNETES_MINOR -X k8s.io/client-go/pkg/version.gitVersion=$KUBERNETES"
}

compile_helm() {
  # Without a cluster it checks charts against the version that it believes to be built with.
  local utilities=helm.sh/helm/v3/pkg/chartutil lint=helm.sh/helm/v3/pkg/lint/rules
  compile_in "$HERE/built" helm helm.sh/helm/v3/cmd/helm "-X $utilities.k8sVersionMajor=1 -X $utilities.k8sVersionMinor=$KUBERNETES_MINOR \
    -X $lint.k8sVersionMajor=1 -X $lint.k8sVersionMinor=$KUBERNETES_MINOR"
}

compile_ingress() { compile_in "$HERE/built/ingress" traefik github.com/traefik/traefik/v3/cmd/traefik; }
