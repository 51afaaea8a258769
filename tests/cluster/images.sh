# Build the images with what is here, tag them by what is in them, and load them into the cluster:
# no pod runs an older one, and one that is there already is not loaded again.

make_images() {
  local tool; tool=$(choose_builder)
  mkdir -p "$STATE"
  local api runner container
  api=$(build_image "$tool" qiskit-runtime-api Dockerfile.api)
  runner=$(build_image "$tool" qiskit-runtime-runner Dockerfile.runner)
  # Local mode in one container: no part of an installation, but it is tried in a pod too.
  container=$(build_image "$tool" qiskit-runtime-local Dockerfile.runner local)
  for image in "$api" "$runner" "$container"; do load_image "$tool" "$image"; done
  if [ "$CLUSTER" = built ]; then
    # As a mirror would have it: under the prefix that all images are given here.
    buildah tag $REDIS_IMAGE localhost/$REDIS_IMAGE
    load_image buildah localhost/$REDIS_IMAGE
  elif [ "$CLUSTER" = kind ] && [[ $api == */* ]]; then
    "$tool" inspect --type image $REDIS_IMAGE >/dev/null 2>&1 || step "pull $REDIS_IMAGE" "$tool" pull $REDIS_IMAGE
    "$tool" tag $REDIS_IMAGE "${api%/*}/$REDIS_IMAGE"
    load_image "$tool" "${api%/*}/$REDIS_IMAGE"
  fi
  printf 'RUNTIME_%s_IMAGE=%s\n' API "$api" RUNNER "$runner" LOCAL "$container" >"$STATE/images"
}

# Base images that were made here are buildah's, and it reaches the network as this machine does.
choose_builder() {
  if [ "$CLUSTER" = kind ] && [ -n "${MADE_KIND:-}" ]; then echo buildah
  elif [ "$CLUSTER" != built ] && docker info >/dev/null 2>&1; then echo docker
  elif [ "$CLUSTER" != built ] && podman info >/dev/null 2>&1; then echo podman
  elif command -v buildah >/dev/null; then echo buildah
  else die "Docker, Podman or buildah is needed to build images"; fi
}

# build_image TOOL NAME DOCKERFILE [TARGET]: prints the image's full name, and its size on stderr.
build_image() {
  local tool=$1 name=$2 file=$3 prefix=${IMAGE_PREFIX:+$IMAGE_PREFIX/} id size
  local target=${4:+--target $4}
  [ "$tool" = docker ] || prefix=${prefix:-localhost/}
  case $tool in
    buildah) step "build $name" buildah_build "$prefix$name:dev" "$ROOT/$file" "$ROOT" $target ;;
    *) step "build $name" "$tool" build -t "$prefix$name:dev" -f "$ROOT/$file" $target "$ROOT" ;;
  esac
  if [ "$tool" = buildah ]; then
    id=$(buildah inspect --type image --format '{{.FromImageID}}' "$prefix$name:dev")
    size=$(buildah images --format '{{.Size}}' "$prefix$name:dev" | head -n 1)
  else
    id=$("$tool" image inspect --format '{{.Id}}' "$prefix$name:dev")
    size=$("$tool" image ls --format '{{.Size}}' "$prefix$name:dev" | head -n 1)
  fi
  id=${id#sha256:}
  "$tool" tag "$prefix$name:dev" "$prefix$name:${id:0:12}"
  [ "$tool" != buildah ] || remove_older "$prefix$name" "${id:0:12}"
  say "  $prefix$name:${id:0:12}  $size"
  echo "$prefix$name:${id:0:12}"
}

# remove_older NAME TAG. Each change of a line makes an image anew, and a full disk evicts pods.
remove_older() {
  buildah images --format '{{.Name}}:{{.Tag}}' | grep -F "$1:" | grep -vxF -e "$1:$2" -e "$1:dev" \
    | xargs -r buildah rmi >/dev/null || true
}

# buildah_build IMAGE DOCKERFILE FOLDER [OPTION...]. runc, because crun refuses some machines' cgroups; with the
# machine's network and certificates, so that a proxy in between is trusted as it is here.
buildah_build() {
  local certificates=/etc/ssl/certs/ca-certificates.crt
  buildah build -q --runtime runc --network host --layers -v $certificates:$certificates:ro \
    --env PIP_CERT=$certificates -t "$1" -f "$2" "${@:4}" "$3"
}

# load_image TOOL IMAGE
load_image() {
  case $CLUSTER in
    built) step "load $2" load_into_built "$2" ;;
    kind) step "load $2" load_into_kind "$1" "$2" ;;
    named) step "push $2 (IMAGE_PREFIX names a registry that the cluster pulls from)" "$1" push "$2" ;;
  esac
}

load_into_built() {
  ctr -a "$SOCKET" -n k8s.io images ls -q | grep -qxF "$1" && return
  local archive; archive=$(mktemp -u "$STATE/image.XXXX.tar")
  buildah push -q "$1" "docker-archive:$archive:$1"
  ctr -a "$SOCKET" -n k8s.io images import "$archive"
  rm -f "$archive"
}
