# The chart, installed with the images that were built here, as a user would install it.

RELEASE=qiskit-runtime
JOBS_NAMESPACE=qiskit-runtime-jobs

deploy() {
  [ -f "$STATE/images" ] || die "No images yet: make images"
  # shellcheck source=/dev/null
  source "$STATE/images"
  local prefix=${RUNTIME_API_IMAGE%/*}
  [ "$prefix" != "$RUNTIME_API_IMAGE" ] || prefix=
  step "install the chart" "$HELM" upgrade --install $RELEASE "$ROOT/charts/qiskit-runtime" \
    --namespace $RELEASE --create-namespace --wait --timeout 5m \
    --set image.prefix="$prefix" \
    --set api.image="${RUNTIME_API_IMAGE##*/}" --set runner.image="${RUNTIME_RUNNER_IMAGE##*/}" \
    --set jobs.namespace=$JOBS_NAMESPACE --set jobs.createNamespace=true \
    --set runner.memory=1Gi --set runner.cpuRequest=100m --set jobs.maxRunningJobs=12 \
    --set ingress.enabled=true ${DEPLOY_ARGS:-}
  step "wait for the ingress" wait_for_ingress
  warn_if_open
  print_url
}

# Where nobody can miss it, as the chart's notes are not shown here.
warn_if_open() {
  local args
  args=$("$KUBECTL" -n $RELEASE get deployment $RELEASE-api -o jsonpath='{..args}')
  [[ $args != *--allow-anonymous* ]] ||
    say "*** WARNING: auth.mode is none. EVERYONE who reaches this can run programs, and read and delete all jobs. ***"
}

wait_for_ingress() {
  local until=$((SECONDS + 60))
  until curl -fsS -m 2 "$(print_url)/readyz"; do
    [ $SECONDS -lt $until ] || return 1
    sleep 0.5
  done
}

print_url() {
  case $CLUSTER in
    built | kind) echo http://127.0.0.1:$INGRESS_PORT ;;
    named)
      local address
      address=$("$KUBECTL" -n $RELEASE get ingress $RELEASE -o jsonpath='{.status.loadBalancer.ingress[0].ip}{.status.loadBalancer.ingress[0].hostname}')
      [ -n "$address" ] || die "the ingress has no address yet: kubectl -n $RELEASE get ingress"
      echo "http://$address" ;;
  esac
}

print_token() {
  "$KUBECTL" -n $RELEASE get secret $RELEASE-token -o jsonpath='{.data.token}' | base64 -d
  echo
}
