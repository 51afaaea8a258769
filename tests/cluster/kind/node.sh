# kind without a registry: its binary, and the image of its nodes, of Go modules and of Debian's packages.
# kind's own files are those of its module; kind/node has what is not in it.

NODE_PACKAGES="podman netavark aardvark-dns"
NODE_SUMS=$(find "$HERE/kind/node" -type f -print0 | sort -z | xargs -0 cat "$HERE"/kind/{node.sh,programs/go.sum} | sha256sum | cut -c1-8)
NODE_IMAGE=localhost/kindest/node:$KUBERNETES-$SUMS-$NODE_SUMS
CONTROL_PLANE_IMAGE=localhost/kindest/control-plane:$SUMS-$NODE_SUMS
TRAEFIK_IMAGE=$(awk '/image:/ {print $2}' "$HERE/kind/traefik.yaml")

make_kind() {
  install_packages
  install_podman
  compile_programs
  compile_kind
  mkdir -p "$STATE"
  make_base_images
  has_image "$NODE_IMAGE" || step "make the image of kind's nodes" make_node_image
  has_image "$TRAEFIK_IMAGE" || step "make $TRAEFIK_IMAGE" make_traefik_image
}

install_podman() {
  command -v podman >/dev/null && [ -x /usr/lib/podman/netavark ] && [ -x /usr/lib/podman/aardvark-dns ] && return
  step "install $NODE_PACKAGES" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 bash -c \
    "apt-get update -qq && apt-get install -y -qq --no-install-recommends $NODE_PACKAGES"
}

compile_kind() {
  [ -e "$CACHE/complete-$NODE_SUMS" ] && return
  step "compile kind" compile_in "$HERE/kind/programs" kind sigs.k8s.io/kind
  step "compile crictl" compile_in "$HERE/kind/programs" crictl sigs.k8s.io/cri-tools/cmd/crictl
  step "compile local-path-provisioner" compile_in "$HERE/kind/programs" local-path-provisioner github.com/rancher/local-path-provisioner
  touch "$CACHE/complete-$NODE_SUMS"
}

make_node_image() {
  local folder kind
  kind=$(cd "$HERE/kind/programs" && go mod download sigs.k8s.io/kind && go list -m -f '{{.Dir}}' sigs.k8s.io/kind)
  folder=$(mktemp -d "$STATE/node.XXXX")
  cp -r "$HERE"/kind/node/* "$folder/"
  # Modules are read-only; what is ours goes over what is kind's.
  cp -r --no-preserve=mode "$kind"/images/base/files/{etc,kind,usr} "$folder/base/"
  cp -r "$HERE/kind/node/base" "$folder/"
  mkdir "$folder/bin" "$folder/manifests"
  cp -L "$CACHE"/bin/{cluster,crictl,local-path-provisioner} "$folder/bin/"
  chmod 755 "$folder/kindnetd"
  echo "$KUBERNETES" >"$folder/version"
  write_node_manifests "$kind/pkg/build/nodeimage" "$folder/manifests"
  buildah_build "$CONTROL_PLANE_IMAGE" "$folder/Dockerfile" "$folder" --target control-plane
  save_node_images "$kind/pkg/build/nodeimage" "$folder/images.tar"
  # No oom_score_adj can be lowered without CAP_SYS_RESOURCE, as in a user namespace.
  sed -i "s/restrict_oom_score_adj = false/restrict_oom_score_adj = true/; s|registry.k8s.io/pause:.*\"|$(list_kubeadm_images | grep pause)\"|" \
    "$folder/base/etc/containerd/config.toml"
  buildah_build "$NODE_IMAGE" "$folder/Dockerfile" "$folder" --target node
  rm -rf "$folder"
}

list_kubeadm_images() { "$CACHE/bin/kubeadm" config images list --kubernetes-version "$KUBERNETES" 2>/dev/null; }

# go_constant NAME FILE
go_constant() { sed -n "s/^const $1 = \"\(.*\)\"/\1/p" "$2"; }

# go_text NAME FILE: a constant of several lines, which may name other constants of its file.
go_text() {
  local name text
  text=$(sed -n "/^const $1 = \`/,/^\`/p" "$2" | sed '1d;$d')
  for name in $(grep -oP '(?<=` \+ )\w+(?= \+ `)' <<<"$text" | sort -u); do
    text=${text//"\` + $name + \`"/$(go_constant "$name" "$2")}
  done
  echo "$text"
}

# kubectl, which kindnetd is made of here, needs more than kind's own program.
write_node_manifests() {
  go_text defaultCNIManifest "$1/const_cni.go" | sed 's/cpu: "100m"/cpu: "300m"/; s/memory: "50Mi"/memory: "250Mi"/' >"$2/default-cni.yaml"
  go_text defaultStorageManifest "$1/const_storage.go" >"$2/default-storage.yaml"
}

# save_node_images FOLDER ARCHIVE: under the names that kubeadm and kind's manifests ask for.
save_node_images() {
  local image entrypoint images=()
  for image in $(list_kubeadm_images) $(go_constant kindnetdImage "$1/const_cni.go") \
    $(go_constant storageProvisionerImage "$1/const_storage.go") $(go_constant storageHelperImage "$1/const_storage.go"); do
    entrypoint=
    case $image in
      */pause:*) buildah tag $PAUSE_IMAGE "$image" ;;
      */coredns:*) tag_with_entrypoint "$image" /coredns ;;
      */kindnetd:*) tag_with_entrypoint "$image" kindnetd ;;
      *) buildah tag "$CONTROL_PLANE_IMAGE" "$image" ;;
    esac
    images+=("$image")
  done
  podman save --quiet --multi-image-archive -o "$2" "${images[@]}"
}

tag_with_entrypoint() {
  local container; container=$(buildah from "$CONTROL_PLANE_IMAGE")
  buildah config --entrypoint "[\"$2\"]" --cmd '' "$container"
  buildah commit -q "$container" "$1"
  buildah rm "$container"
}

make_traefik_image() {
  local container; container=$(buildah from scratch)
  buildah add -q "$container" "$CACHE/bin/traefik" /traefik
  buildah config --entrypoint '["/traefik"]' "$container"
  buildah commit -q "$container" "$TRAEFIK_IMAGE"
  buildah rm "$container"
}
