"""The Kubernetes objects of a RuntimeJob."""

import base64
import hashlib
import json
import zlib

import pytest

from controller.build.job import build_input, build_job, build_record
from controller.build.program import JobPlan, ParamsInvalid, ProgramSelection
from controller.observe.runnables import Runnables
from controller.settings import RunnerSettings
from qiskit_runtime.contract.resources.backend import find_backend
from qiskit_runtime.contract.resources.program import ProgramSource
from qiskit_runtime.contract.resources.resource import JOB_LABEL, SECRET_BYTES
from qiskit_runtime.contract.wire.job_input import JobInputError, read_job_input
from tests.operator.manifests import make_job

SPEC = {"params": '{"greeting":  "Hi"}', "maxExecutionSeconds": 120, "startDeadlineSeconds": 1800}


def with_spec(name="bell", uid="6f1c", **fields):
    """A job with this spec."""
    return make_job(name=name, uid=uid, spec={**SPEC, **fields})


JOB = with_spec()
RUNNER = RunnerSettings(image="example.org/runner:1")


AER = find_backend("aer_simulator")
OURS = JobPlan(ProgramSelection("1.0"), AER)


def read_files(secret):
    """The files that a Secret holds."""
    return {name: base64.b64decode(content) for name, content in secret["data"].items()}


@pytest.fixture
def pod():
    """The pod's spec."""
    return build_job(JOB, RUNNER)["spec"]["template"]["spec"]


def mount(job, folder, params=None):
    """Put the files there that the pod's projected volume has; returns what the runner reads."""
    for name, content in read_files(build_input(job, OURS, "i:1", "bell-1-x")).items():
        (folder / name).write_bytes(content)
    volume = build_job(job, RUNNER)["spec"]["template"]["spec"]["volumes"][0]
    for source in volume["projected"]["sources"][1:]:
        secret = source["secret"]
        for item in secret["items"]:
            content = params[secret["name"]]
            (folder / item["path"]).write_bytes(
                content if isinstance(content, bytes) else content[item["key"]]
            )
    return read_job_input(folder, "bell-1-x")


def test_input_is_of_one_pod(tmp_path):
    """A second pod of the same Kubernetes Job, with its own name as its argument, refuses it."""
    mount(JOB, tmp_path)
    (container,) = build_job(JOB, RUNNER)["spec"]["template"]["spec"]["containers"]
    assert container["args"][-2:] == ["--pod", "$(POD_NAME)"]
    assert container["env"][0]["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    with pytest.raises(JobInputError, match="handed to the pod bell-1-x: it is not run twice"):
        read_job_input(tmp_path, "bell-1-y")


def test_input_is_what_the_runner_reads(tmp_path):
    """The mounted Secret is an input document, its parameters verbatim."""
    job_input = mount(JOB, tmp_path)
    assert (job_input.job_id, job_input.program) == ("bell", "hello-quantum")
    assert job_input.params == JOB.params
    assert job_input.max_execution_seconds == 120


@pytest.mark.parametrize("size", [2, SECRET_BYTES, SECRET_BYTES + 1, 3 * SECRET_BYTES + 5])
def test_params_of_secrets_are_mounted_in_their_order(size, tmp_path):
    """Parameters that take several Secrets reach the runner whole, with their digest."""
    params = b"{" + b"x" * (size - 2) + b"}"
    digest = hashlib.sha256(params).hexdigest()
    job = with_spec(paramsFrom={"secretName": "p", "sha256": digest, "bytes": size})
    names = job.params_secrets
    parts = {
        name: params[number * SECRET_BYTES : (number + 1) * SECRET_BYTES]
        for number, name in enumerate(names)
    }
    job_input = mount(job, tmp_path, parts)
    assert job_input.params.encode() == params
    assert job_input.params_sha256 == digest


def test_params_secret_of_a_person_needs_no_digest(tmp_path):
    """A Secret that is written by hand needs neither digest nor size."""
    job = with_spec(paramsFrom={"secretName": "mine"})
    assert mount(job, tmp_path, {"mine": b'{"x": 1}'}).params == '{"x": 1}'


def test_source_of_a_program_is_beside_its_input():
    """A program that the library has not is run from the mounted folder."""
    source = ProgramSource(b"def main(b, m): ...")
    program = ProgramSelection("3", "hello_quantum.py", source)
    files = read_files(build_input(JOB, JobPlan(program, AER), "example.org/runner:1", ""))
    assert files["hello_quantum.py"] == source.data
    document = json.loads(files["job.json"])
    assert document["program"] == "/run/job/hello_quantum.py"
    assert document["versions"] == {
        "program": "3", "source": source.version, "image": "example.org/runner:1"
    }  # fmt: skip


def test_program_that_a_job_brings_is_mounted_beside_its_parameters(tmp_path):
    """A posted job runs the source that it was posted with: the operator reads none of it."""
    job = with_spec(
        paramsFrom={"secretName": "bell-params", "bytes": 2},
        programFrom={"secretName": "bell-params", "key": "program.tar", "sha256": "ab" * 32},
        programVersion="7",
    )
    files = {"params.json": b"{}", "program.tar": b"an archive"}
    plan = Runnables(lambda _: None, lambda _: None, RUNNER).plan(job)
    assert plan.program == ProgramSelection("7", "hello_quantum.tar")
    for name, content in read_files(build_input(job, plan, "i:1", "")).items():
        (tmp_path / name).write_bytes(content)
    sources = build_job(job, RUNNER)["spec"]["template"]["spec"]["volumes"][0]["projected"][
        "sources"
    ]
    items = sources[1]["secret"]["items"]
    for item in items:
        (tmp_path / item["path"]).write_bytes(files[item["key"]])
    job_input = read_job_input(tmp_path)
    assert job_input.program == "/run/job/hello_quantum.tar"
    assert (tmp_path / "hello_quantum.tar").read_bytes() == b"an archive"
    assert job_input.versions == {"program": "7", "source": "sha256:abababababab", "image": "i:1"}


def test_parameters_that_do_not_match_cost_no_pod():
    """A job of kubectl is compared with its program's schema, as a posted one is."""
    schema = {"properties": {"shots": {"type": "integer", "minimum": 1}}}
    program = ProgramSelection("1", schema=schema)
    program.check_params('{"shots": 10}')
    program.check_params("not JSON: the runner says so")
    with pytest.raises(ParamsInvalid, match=r"params\.shots: 0 is less"):
        program.check_params('{"shots": 0}')


def test_names_follow_from_the_uid():
    """A second operator makes the same objects, another RuntimeJob of the same name others."""
    again = with_spec(uid="other")
    names = [build_job(job, RUNNER)["metadata"]["name"] for job in (JOB, JOB, again)]
    assert names[0] == names[1] != names[2]
    assert build_input(JOB, OURS, "i:1", "")["metadata"]["name"] == names[0] == JOB.run_name
    assert len(with_spec("x" * 52).run_name) <= 63


def test_everything_is_owned_by_the_runtimejob():
    """Deleting the RuntimeJob removes all of it, also with the operator gone."""
    made = [
        build_input(JOB, OURS, "i:1", ""),
        build_job(JOB, RUNNER),
        *build_record(JOB, b"x" * 2_000_000),
    ]
    assert len(made) > 3
    for manifest in made:
        (owner,) = manifest["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["uid"]) == ("RuntimeJob", "6f1c")
        assert "blockOwnerDeletion" not in owner
        assert manifest["metadata"]["labels"] == {JOB_LABEL: "bell"}


def test_record_s_secrets_are_the_record():
    """Joined in their order they are what was cut, each small enough for the API server."""
    compressed = zlib.compress(bytes(range(256)) * 100) * 5000
    parts = [base64.b64decode(part["data"]["record"]) for part in build_record(JOB, compressed)]
    assert b"".join(parts) == compressed
    assert max(map(len, parts)) <= SECRET_BYTES


def test_job_runs_its_pod_at_most_once(pod):
    """Nothing is retried behind the user's back, and the cluster ends what the runner did not."""
    spec = build_job(JOB, RUNNER)["spec"]
    assert spec["backoffLimit"] == 0
    assert spec["podReplacementPolicy"] == "Failed"
    assert spec["activeDeadlineSeconds"] > 1800 + 120
    assert pod["restartPolicy"] == "Never"


def test_pod_is_restricted(pod):
    """The pod passes Pod Security's level restricted, and has nothing to speak to the API with."""
    (container,) = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert set(container["resources"]["limits"]) == {"cpu", "memory", "ephemeral-storage"}
    assert "hostPath" not in json.dumps(pod["volumes"])


def test_platform_team_s_choices_are_the_pod_s():
    """RuntimeClass, PriorityClass and user namespace are set where they were chosen, else not."""
    fields = ("runtimeClassName", "priorityClassName", "hostUsers")

    def build(**choices):
        runner = RunnerSettings(image="i:1", **choices)
        spec = build_job(JOB, runner)["spec"]["template"]["spec"]
        return [spec.get(field) for field in fields]

    assert build() == [None, None, None]
    chosen = build(runtime_class_name="gvisor", priority_class_name="batch", host_users=False)
    assert chosen == ["gvisor", "batch", False]


def test_client_text_reaches_neither_command_nor_environment(pod):
    """Text of a client is in the Secret alone."""
    (container,) = pod["containers"]
    assert [(one["name"], set(one)) for one in container["env"]] == [
        ("POD_NAME", {"name", "valueFrom"})
    ]
    assert "command" not in container
    assert "hello-quantum" not in json.dumps(build_job(JOB, RUNNER))


def test_other_record_of_a_job_has_other_names():
    """An operator that knows less of a job can't write its record over the whole one."""
    names = [build_record(JOB, record)[0]["metadata"]["name"] for record in (b"a", b"b", b"a")]
    assert names[0] == names[2] != names[1]
