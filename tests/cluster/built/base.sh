# What Debian has of a cluster, and the base images that our Dockerfiles name. A machine with a
# registry pulls them; one without makes them here, from Debian's packages, under the same names.

PACKAGES="containerd runc containernetworking-plugins buildah debootstrap iptables nftables conntrack socat ethtool"
PYTHON_IMAGE=docker.io/library/python:3.11-slim-bookworm
REDIS_IMAGE=docker.io/library/redis:7
PAUSE_IMAGE=localhost/pause:1

install_packages() {
  local command missing=
  for command in containerd runc buildah debootstrap nft conntrack socat ethtool; do
    command -v $command >/dev/null || missing=$command
  done
  [ -z "$missing" ] && [ -d /usr/lib/cni ] && return
  command -v apt-get >/dev/null || die "$missing is missing, and this is no Debian: install $PACKAGES"
  step "install $PACKAGES" env DEBIAN_FRONTEND=noninteractive bash -c \
    "apt-get update -qq && apt-get install -y -qq --no-install-recommends $PACKAGES"
}

make_base_images() {
  has_image $PYTHON_IMAGE || step "make $PYTHON_IMAGE" make_python_image
  has_image $REDIS_IMAGE || step "make $REDIS_IMAGE" make_redis_image
  has_image $PAUSE_IMAGE || step "make $PAUSE_IMAGE" make_pause_image
}

has_image() { buildah inspect --type image "$1" >/dev/null 2>&1; }

make_python_image() {
  local root container mirror
  root=$(mktemp -d "$STATE/python.XXXX")
  mirror=$(awk '/^URIs:/ {print $2; exit}' /etc/apt/sources.list.d/debian.sources)
  debootstrap --variant=minbase --include=python3,python3-venv,python3-pip,ca-certificates bookworm "$root" "$mirror"
  rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man}/*
  ln -sf python3 "$root/usr/bin/python"
  container=$(buildah from scratch)
  buildah add -q "$container" "$root" /
  buildah config --cmd python3 "$container"
  buildah commit -q "$container" $PYTHON_IMAGE
  buildah rm "$container"
  rm -rf "$root"
}

make_redis_image() {
  buildah_build $REDIS_IMAGE - "$STATE" <<D
FROM $PYTHON_IMAGE
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends redis-server && rm -rf /var/lib/apt/lists/*
USER 999:999
WORKDIR /data
CMD ["redis-server", "--bind", "0.0.0.0", "--protected-mode", "no"]
D
}

make_pause_image() {
  local container
  container=$(buildah from scratch)
  buildah add -q "$container" "$CACHE/bin/pause" /pause
  buildah config --entrypoint '["/pause"]' "$container"
  buildah commit -q "$container" $PAUSE_IMAGE
  buildah rm "$container"
}
