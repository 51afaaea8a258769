"""The Kubernetes Job of a pod that is started ahead, and its claim."""

import json

from controller.build import warm_job
from controller.build.job import build_job
from controller.build.warm_job import (
    IDLE_SECONDS,
    build_claim,
    build_warm_job,
    digest_template,
    make_token,
)
from controller.settings import RunnerSettings
from qiskit_runtime.contract.resources.resource import (
    CLAIMED_AT,
    JOB_LABEL,
    SESSION_LABEL,
    WARM_LABEL,
)
from qiskit_runtime.contract.wire.handover import HANDOVER_PORT, MAX_INPUT_BYTES, digest_token
from tests.operator.manifests import NOW, make_job

KEY = "k" * 32
RUNNER = RunnerSettings(image="i:1", runtime_class_name="gvisor", host_users=False)
NEW = {"args", "env", "ports", "startupProbe", "volumeMounts"}


def split(job):
    """The pod's spec without its container and its volumes, and the container."""
    spec = dict(job["spec"]["template"]["spec"])
    (container,) = spec.pop("containers")
    return spec, container, spec.pop("volumes")


def test_pod_is_as_any_other_but_for_its_input():
    """Isolation, image and resources are those of all jobs' pods."""
    spec, container, volumes = split(build_warm_job("warm-1", RUNNER, KEY))
    other, known, mounted = split(build_job(make_job(), RUNNER))
    assert spec == other
    assert {name for name in container if container[name] != known.get(name)} == NEW
    assert volumes[1:] == mounted[1:]
    size = int(volumes[0]["emptyDir"]["sizeLimit"])
    assert volumes[0]["name"] == "job" and size >= MAX_INPUT_BYTES


def test_port_is_the_pods_own_and_its_probe_ends():
    """The one port is probed until it is open, by a startup probe alone."""
    _, container, _ = split(build_warm_job("warm-1", RUNNER, KEY))
    assert container["ports"] == [{"name": "handover", "containerPort": HANDOVER_PORT}]
    assert container["args"][-2:] == ["--wait-for-input", str(HANDOVER_PORT)]
    assert not {"readinessProbe", "livenessProbe"} & set(container)


def test_probe_ends_no_pod():
    """A kubelet that was restarted probes the closed port of a running job: it may for ever."""
    _, container, _ = split(build_warm_job("warm-1", RUNNER, KEY))
    probe = container["startupProbe"]
    assert probe["failureThreshold"] * probe["periodSeconds"] > 10 * 365 * 24 * 3600


def test_each_pod_has_a_token_of_its_own_which_is_nowhere():
    """The manifest has its digest: who reads it can't hand a job over."""
    manifest = build_warm_job("warm-1", RUNNER, KEY)
    token = make_token(KEY, "warm-1")
    text = json.dumps(manifest)
    assert digest_token(token).hex() in text and token.hex() not in text and KEY not in text
    assert (
        len({make_token(KEY, "warm-1"), make_token(KEY, "warm-2"), make_token("x", "warm-1")}) == 3
    )


def test_job_without_an_owner_ends_by_itself():
    """Nobody's Job is labelled as such, so that it is watched, and does not stay for ever."""
    manifest = build_warm_job("warm-1", RUNNER, KEY, "s")
    metadata = manifest["metadata"]
    assert "ownerReferences" not in metadata
    assert metadata["labels"] == {
        JOB_LABEL: "", WARM_LABEL: digest_template(RUNNER, KEY), SESSION_LABEL: "s",
    }  # fmt: skip
    labels = manifest["spec"]["template"]["metadata"]["labels"]
    assert labels == {JOB_LABEL: "", WARM_LABEL: digest_template(RUNNER, KEY)}
    assert manifest["spec"]["activeDeadlineSeconds"] == IDLE_SECONDS
    assert manifest["spec"]["backoffLimit"] == 0


def test_class_is_that_of_the_pods_settings():
    """Another image, or other resources, is another class; the time to keep it is not."""
    known = digest_template(RUNNER, KEY)
    assert known == digest_template(RUNNER.model_copy(update={"keep_seconds": 1}), KEY)
    others = {"image": "i:2", "memory": "1Gi", "cpu_limit": "2", "runtime_class_name": ""}
    changed = [RUNNER.model_copy(update={field: others[field]}) for field in others]
    classes = [digest_template(runner, KEY) for runner in changed]
    assert len({*classes, known}) == len(others) + 1


def test_pods_of_another_key_are_another_class():
    """A key that was drawn anew opens none of them: they are replaced, and not tried."""
    assert digest_template(RUNNER, KEY) != digest_template(RUNNER, "l" * 32)


def test_pods_of_another_hand_over_are_another_class(monkeypatch):
    """An image may keep its name: pods of a release that hands over otherwise are replaced."""
    known = digest_template(RUNNER, KEY)
    monkeypatch.setattr(warm_job, "HELLO", b"qiskit-runtime input 1\n")
    assert digest_template(RUNNER, KEY) != known


def test_claim_is_one_write_of_the_version_that_was_seen():
    """Label, owner, time and deadline come together, or not at all."""
    claim = build_claim(make_job(), 7, 30.9, NOW)
    assert claim == {
        "metadata": {
            "resourceVersion": "7",
            "labels": {JOB_LABEL: "j"},
            "annotations": {CLAIMED_AT: "2026-11-23T12:00:00.000000Z"},
            "ownerReferences": [make_job().owner_reference()],
        },
        "spec": {"activeDeadlineSeconds": 30 + 100 + 10 + 60},
    }
