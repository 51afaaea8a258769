"""RuntimePrograms: the choice of a job's program, and the condition on their status."""

import pytest

from controller.observe.cluster_view import ClusterView
from controller.observe.runnables import NOT_RUNNABLE, Runnables, parse_program, reject_job
from controller.program_status import ProgramStatusWriter
from controller.settings import RunnerSettings
from qiskit_runtime.cluster.client import ClusterError
from qiskit_runtime.contract.resources.resource import API_VERSION
from qiskit_runtime.contract.resources.runtimeprogram import Acceptance
from tests.operator.fake_cluster import FakeCluster, refused
from tests.operator.manifests import NOW, ago, make_job

pytestmark = pytest.mark.anyio

SOURCE = "def main(backend, messenger, shots=1): ..."
RUNNER = RunnerSettings(image="i:1", classes={"large": {"memory": "8Gi"}})
SCHEMA = {"properties": {"shots": {"type": "integer", "minimum": 1}}}


def resource(name="mine", version=1, status=None, **spec):
    """A RuntimeProgram."""
    metadata = {"name": name, "uid": name, "resourceVersion": str(version)}
    metadata["creationTimestamp"] = ago(60)
    return {"metadata": metadata, "spec": {"source": SOURCE, **spec}, "status": status or {}}


class Programs:
    """A cluster with programs, and the writer of their conditions."""

    def __init__(self, *manifests):
        self.cluster, self.view = FakeCluster(), ClusterView()
        for manifest in manifests:
            self.cluster.programs[manifest["metadata"]["name"]] = manifest
            self.view.programs.put(manifest)
        self.runnables = Runnables(self.view.programs.find, self.view.backends.find, RUNNER)
        self.writer = ProgramStatusWriter(self.cluster, self.view, self.runnables)

    def plan(self, program, **spec):
        """The program that a job of this program id runs."""
        return self.runnables.plan(make_job(spec={"programId": program, **spec})).program

    def condition(self, name):
        """The one condition of a program."""
        (condition,) = self.cluster.programs[name]["status"]["conditions"]
        return condition["type"], condition["status"], condition["reason"]


def test_runtimeprogram_is_run_with_its_source_and_schema():
    """A job of kubectl runs the resource's version, and its parameters are compared."""
    programs = Programs(resource(parameters=SCHEMA))
    assert programs.plan("mine").source.data == SOURCE.encode()
    assert programs.plan("mine").file == "mine.py"
    with pytest.raises(NOT_RUNNABLE, match="shots"):
        programs.plan("mine", params='{"shots": 0}')


def test_name_of_a_library_program_is_reserved():
    """The library's program is run, as in local mode, though a RuntimeProgram has its name."""
    programs = Programs(resource("hello-quantum"), resource("mine"))
    assert programs.plan("hello-quantum").source is None
    assert programs.plan("Hello-Quantum").source is None
    assert programs.plan("mine").source is not None


@pytest.mark.parametrize(
    ("manifest", "words"),
    [(resource(source=""), "no program mine that could run"), (resource("x"), "no program mine")],
)
def test_program_that_can_not_run_is_unknown(manifest, words):
    """A broken RuntimeProgram says what is wrong with it, as an unknown one does."""
    with pytest.raises(NOT_RUNNABLE) as error:
        Programs(manifest).plan("mine")
    assert words in reject_job(error.value).message


def test_backend_is_a_resource_or_one_that_is_always_there():
    """A broken RuntimeBackend says what is wrong with it."""
    programs = Programs()
    metadata = {"name": "lab", "uid": "b", "resourceVersion": "1"}
    spec = {"method": "stabilizer", "qubits": 4}
    kind = {"apiVersion": API_VERSION, "kind": "RuntimeBackend"}
    programs.view.backends.put({**kind, "metadata": metadata, "spec": spec})
    job = make_job(spec={"backend": "lab"})
    assert programs.runnables.plan(job).backend.name == "lab"
    metadata = {**metadata, "resourceVersion": "2"}
    programs.view.backends.put({**kind, "metadata": metadata, "spec": {"method": "nonsense"}})
    with pytest.raises(NOT_RUNNABLE) as error:
        programs.runnables.plan(job)
    assert "no backend is named lab that could be used" in reject_job(error.value).message


CONDITIONS = {
    "accepted": (resource(), ("Ready", "True", "Accepted")),
    "reserved": (resource("vqe"), ("Ready", "False", "NameReserved")),
    "invalid": (resource(source=""), ("Ready", "False", "Invalid")),
}


@pytest.mark.parametrize(("manifest", "condition"), CONDITIONS.values(), ids=CONDITIONS)
async def test_condition_is_written_once(manifest, condition):
    """The condition costs one write; the same condition again is no write."""
    programs, name = Programs(manifest), manifest["metadata"]["name"]
    for _ in range(3):
        assert await programs.writer.step(name) is None
    assert programs.condition(name) == condition
    assert programs.cluster.calls == ["write_program_status"]


async def test_condition_follows_the_program():
    """A source that is mended is another condition."""
    programs = Programs(resource(source=""))
    await programs.writer.step("mine")
    mended = resource(version=999, status=programs.cluster.programs["mine"]["status"])
    programs.cluster.programs["mine"] = mended
    programs.view.programs.put(mended)
    await programs.writer.step("mine")
    assert programs.condition("mine") == ("Ready", "True", "Accepted")


async def test_program_without_a_status_is_let_be(caplog):
    """A deleted program, or one whose CRD is of an earlier release, is no failure."""
    programs = Programs(resource())
    programs.cluster.fails["write_program_status"] = refused(404)
    assert await programs.writer.step("mine") is None
    assert await programs.writer.step("nobody") is None
    programs.cluster.fails["write_program_status"] = refused(500)
    with pytest.raises(ClusterError):
        await programs.writer.step("mine")


async def test_program_is_read_again_after_a_failure():
    """A deleted one is forgotten."""
    programs = Programs(resource())
    await programs.writer.refresh("mine")
    assert programs.view.programs.find("mine") is not None
    programs.cluster.programs.clear()
    await programs.writer.refresh("mine")
    assert programs.view.programs.find("mine") is None


def test_condition_is_parsed_as_it_was_written():
    """The writer compares with what it wrote."""
    for acceptance in (Acceptance.accepted(), Acceptance.reserved("vqe"), Acceptance.invalid("x")):
        assert parse_program(resource(status=acceptance.build_status(NOW))).acceptance == acceptance
