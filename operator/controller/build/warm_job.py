"""The Kubernetes Job of a pod that is started ahead of its job, and its claim by one. Pure."""

import hashlib
import hmac
import json
from datetime import datetime
from typing import Any

from controller.build.job import OVERTIME_SECONDS, build_class_label
from controller.build.pod import build_pod
from controller.settings import RunnerSettings
from qiskit_runtime.contract.moment import format_moment
from qiskit_runtime.contract.resources.resource import (
    CLAIMED_AT,
    JOB_LABEL,
    SESSION_LABEL,
    WARM_LABEL,
    Manifest,
)
from qiskit_runtime.contract.resources.runtimejob import RuntimeJob
from qiskit_runtime.contract.wire.handover import (
    DIGEST_VARIABLE,
    HANDOVER_PORT,
    HELLO,
    MAX_INPUT_BYTES,
    digest_token,
)

IDLE_SECONDS = 3600
"""How long a pod waits for a job at most: nobody owns it, so it has to end by itself."""

_NEVER = 2**31 - 1
"""A number of failures that no probe has."""


def make_token(key: str, name: str) -> bytes:
    """Return the token of the pod of the Job of this name; ``key`` is the operator's secret."""
    return hmac.digest(key.encode(), name.encode(), "sha256")


def digest_template(runner: RunnerSettings, key: str) -> str:
    """Return the digest of the template of these settings' pods: none of another may be claimed.

    Nor one whose token was made of another key, or that was started by an operator of a release
    with another hand-over: an image may keep its name.
    """
    spec = json.dumps(_build_spec(runner, _digest(key, "")), sort_keys=True)
    return hashlib.sha256(HELLO + spec.encode()).hexdigest()[:10]


def build_warm_job(
    name: str, runner: RunnerSettings, key: str, session: str = "", resource_class: str = ""
) -> Manifest:
    """Build a Job without an owner, whose runner waits until an input is handed over.

    ``session`` is the name of the session whose jobs alone may have it.
    """
    own = runner.of(resource_class)
    labels = {JOB_LABEL: "", WARM_LABEL: digest_template(own, key)}
    labels |= build_class_label(resource_class)
    of_session = {SESSION_LABEL: session} if session else {}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": labels | of_session},
        "spec": {
            "backoffLimit": 0,
            "podReplacementPolicy": "Failed",
            "activeDeadlineSeconds": IDLE_SECONDS,
            "ttlSecondsAfterFinished": runner.keep_seconds,
            "template": {
                "metadata": {"labels": labels},
                "spec": _build_spec(own, _digest(key, name)),
            },
        },
    }


def build_claim(job: RuntimeJob, version: int, idle_seconds: float, now: datetime) -> Manifest:
    """Build the patch by which a RuntimeJob claims such a Job, if it is still of this version."""
    # The deadline counts from the Job's start, so the idle time is within.
    limits = job.start_deadline_seconds + job.max_execution_seconds + OVERTIME_SECONDS
    return {
        "metadata": {
            "resourceVersion": str(version),
            "labels": {JOB_LABEL: job.name},
            "annotations": {CLAIMED_AT: format_moment(now)},
            "ownerReferences": [job.owner_reference()],
        },
        "spec": {"activeDeadlineSeconds": int(idle_seconds) + limits},
    }


def _digest(key: str, name: str) -> str:
    return digest_token(make_token(key, name)).hex()


def _build_spec(runner: RunnerSettings, digest: str) -> Manifest:
    spec = build_pod(runner, {"emptyDir": {"sizeLimit": str(2 * MAX_INPUT_BYTES)}})
    container: dict[str, Any] = spec["containers"][0]
    container["args"] += ["--wait-for-input", str(HANDOVER_PORT)]
    container["env"].append({"name": DIGEST_VARIABLE, "value": digest})
    container["ports"] = [{"name": "handover", "containerPort": HANDOVER_PORT}]
    # It opens the port when it is ready; afterwards nobody asks any more. But a kubelet that was
    # restarted asks again, when the job runs and the port is closed: so no failure ends the pod.
    container["startupProbe"] = {
        "tcpSocket": {"port": HANDOVER_PORT},
        "periodSeconds": 1,
        "failureThreshold": _NEVER,
    }
    for mount in container["volumeMounts"]:
        mount.pop("readOnly", None)
    return spec
