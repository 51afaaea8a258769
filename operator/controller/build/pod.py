"""The pod of a runner, as a platform team would ask about it. Pure."""

from controller.settings import RunnerSettings
from qiskit_runtime.contract.resources.resource import Manifest

RUNNER_UID = 65532
"""The runner image's user."""

INPUT_FOLDER = "/run/job"
"""The folder in which a pod finds its input."""

GRACE_SECONDS = 30
"""From SIGTERM to SIGKILL of a pod: the runner's own ladder, and its record's tail."""


def build_pod(runner: RunnerSettings, volume: Manifest) -> Manifest:
    """Build the pod's spec: Pod Security's level ``restricted``, no token, no service links.

    ``volume`` is what its input's volume is made of.
    """
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        **_build_isolation(runner),
        "imagePullSecrets": [{"name": name} for name in runner.pull_secrets],
        "nodeSelector": runner.node_selector,
        "tolerations": list(runner.tolerations),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": RUNNER_UID,
            "runAsGroup": RUNNER_UID,
            "fsGroup": RUNNER_UID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_build_container(runner)],
        "volumes": [
            {"name": "job", **volume},
            {"name": "tmp", "emptyDir": {"sizeLimit": runner.scratch}},
        ],
    }


def _build_isolation(runner: RunnerSettings) -> Manifest:
    """Build what a platform team has set in addition to ``restricted``; empty by default."""
    chosen = {
        "runtimeClassName": runner.runtime_class_name,
        "priorityClassName": runner.priority_class_name,
    }
    fields: Manifest = {name: value for name, value in chosen.items() if value}
    return fields if runner.host_users else {**fields, "hostUsers": False}


def _build_container(runner: RunnerSettings) -> Manifest:
    limits = {"memory": runner.memory, "ephemeral-storage": runner.scratch}
    return {
        "name": "runner",
        "image": runner.image,
        "imagePullPolicy": runner.pull_policy,
        "args": ["--input", INPUT_FOLDER, "--pod", "$(POD_NAME)"],
        "env": [
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ],
        "resources": {
            "requests": {**limits, "cpu": runner.cpu_request},
            "limits": {**limits, "cpu": runner.cpu_limit},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "job", "mountPath": INPUT_FOLDER, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  (the pod's own)
        ],
    }
