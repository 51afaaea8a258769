"""Manifests and parsed objects of the operator's tests: whole as the API server gives them."""

from datetime import UTC, datetime, timedelta

from controller.observe.parse import parse_job, parse_pod
from qiskit_runtime.contract.resources.resource import JOB_LABEL, WARM_LABEL
from qiskit_runtime.contract.resources.runtimejob import make_run_name, parse_runtimejob

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SPEC = {"programId": "hello-quantum", "backend": "aer_simulator", "params": "{}"}
SPEC |= {"maxExecutionSeconds": 10, "startDeadlineSeconds": 100}
RUN = make_run_name("j", "u")
"""The name of what runs the job ``j``."""


def ago(seconds):
    """A time as Kubernetes writes it."""
    return (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def job_manifest(status=None, *, spec=None, **metadata):
    """A RuntimeJob named j."""
    identity = {"name": "j", "namespace": "jobs", "uid": "u", "resourceVersion": "1"}
    identity |= {"generation": 2, "creationTimestamp": ago(60)}
    return {
        "metadata": {**identity, **metadata},
        "spec": {**SPEC, **(spec or {})},
        "status": status or {},
    }


def session_manifest(name="s", *, created=60, status=None, **spec):
    """A RuntimeSession that was opened some seconds ago."""
    metadata = {"name": name, "uid": f"uid-{name}", "resourceVersion": "1"}
    asked = {"mode": "dedicated", "backend": "aer_simulator", "acceptingJobs": True, **spec}
    return {
        "metadata": {**metadata, "creationTimestamp": ago(created)},
        "spec": asked,
        "status": status or {"state": "open"},
    }


def make_job(status=None, *, spec=None, **metadata):
    """The same, parsed."""
    return parse_runtimejob(job_manifest(status, spec=spec, **metadata))


def whole(manifest, name="", **labels):
    """A manifest with the identity that every object has."""
    metadata = {"name": name, "uid": name, "resourceVersion": "1"} | manifest.get("metadata", {})
    metadata["labels"] = {JOB_LABEL: "j", **labels, **metadata.get("labels", {})}
    return {**manifest, "metadata": metadata}


def run_manifest(manifest=None, **metadata):
    """The Kubernetes Job of the RuntimeJob j, which was just created."""
    manifest = manifest or {}
    stamp = {"creationTimestamp": ago(0), "ownerReferences": [{"uid": "u"}]}
    metadata = {**stamp, **manifest.get("metadata", {}), **metadata}
    return whole({**manifest, "metadata": metadata}, RUN)


def pod_manifest(name="p", state=None, *, node="n", conditions=(), status=None, **metadata):
    """A pod of that Job whose container is in this state; None is one that was never made."""
    resources = {"requests": {"memory": "2Gi", "cpu": "250m"}, "limits": {"memory": "2Gi"}}
    made = {"containerID": "c"} if state and "running" in state else {}
    containers = [] if state is None else [{"state": state, **made}]
    spec = {"containers": [{"image": "x:1", "resources": resources}]}
    known = {"phase": "Pending", "containerStatuses": containers, "conditions": list(conditions)}
    manifest = {
        "metadata": {"creationTimestamp": ago(5), **metadata},
        "spec": {**spec, **({"nodeName": node} if node else {})},
        "status": {**known, **(status or {})},
    }
    return whole(manifest, name, **{"batch.kubernetes.io/job-name": RUN})


def warm_run_manifest(name="warm-1", *, owner="", labels=None, **metadata):
    """A Kubernetes Job that was started ahead; ``owner`` is the UID of who has claimed it."""
    stamp = {"creationTimestamp": ago(60), "name": name, "uid": name, "resourceVersion": "1"}
    owners = {"ownerReferences": [{"uid": owner}]} if owner else {}
    known = {JOB_LABEL: "j" if owner else "", WARM_LABEL: "class", **(labels or {})}
    return {"metadata": {**stamp, **owners, "labels": known, **metadata}, "spec": {}}


def warm_pod_manifest(
    run="warm-1", state=None, *, address="127.0.0.1", ready=True, image="x:1", **fields
):
    """The pod of such a Job; it waits for a job."""
    state = {"running": {"startedAt": ago(50)}} if state is None else state
    labels = {JOB_LABEL: "", WARM_LABEL: "class", "batch.kubernetes.io/job-name": run}
    manifest = pod_manifest(f"{run}-p", state, labels=labels, **fields)
    manifest["spec"]["containers"][0]["image"] = image
    manifest["status"]["podIP"] = address
    for container in manifest["status"]["containerStatuses"]:
        container["ready"] = ready
    return manifest


def make_warm_run(name="warm-1", **fields):
    """The Kubernetes Job, parsed."""
    return parse_job(warm_run_manifest(name, **fields))


def make_warm_pod(run="warm-1", state=None, **fields):
    """The pod, parsed."""
    return parse_pod(warm_pod_manifest(run, state, **fields))


def make_run(manifest=None, **metadata):
    """The Kubernetes Job, parsed."""
    return parse_job(run_manifest(manifest, **metadata))


def make_pod(name="p", state=None, **fields):
    """The pod, parsed."""
    return parse_pod(pod_manifest(name, state, **fields))
