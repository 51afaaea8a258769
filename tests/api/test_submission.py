"""The submission of jobs: which job a request becomes, decided without a server."""

import hashlib

import pytest

from api.accounts.caller import Caller
from api.backendstore.local import FileBackends
from api.errors import InvalidField, TooLarge
from api.jobstore.local.data_folder import DataFolder
from api.models import RunRequest
from api.params_check import ParamsCheck
from api.programstore.base import ProgramChanged
from api.programstore.local import LocalProgramStore
from api.sessionstore.base import SessionNotFound, SessionStore, SessionUnusable
from api.submission import JobSubmission, read_request
from qiskit_runtime.contract.catalog import Catalog, UnknownProgram
from qiskit_runtime.contract.lifecycle import Reason
from qiskit_runtime.contract.limits import MAX_PARAMS_BYTES
from qiskit_runtime.contract.resources.backend import DEFAULT_BACKEND, UnknownBackend
from qiskit_runtime.contract.resources.job import JobRequest, JobSpec
from qiskit_runtime.contract.resources.program import ProgramMetadata, ProgramSource
from tests.api.fake_store import FakeStore

pytestmark = pytest.mark.anyio

SOURCE = ProgramSource(b"def main(backend, messenger): return 1\n")


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def jobs():
    """The store that the submissions of a test fill."""
    return FakeStore()


@pytest.fixture
def programs(tmp_path):
    """The library's programs, and those that a test uploads."""
    folder = DataFolder(tmp_path)
    folder.open()
    yield LocalProgramStore(folder, Catalog())
    folder.close()


@pytest.fixture
async def submission(jobs, programs):
    check = ParamsCheck()
    await programs.open()
    sessions = NoSessions(jobs)
    yield JobSubmission(jobs, programs, FileBackends(None), check, sessions)
    await programs.close()
    await check.close()


TENANT, OTHER = Caller(secret="tenant"), Caller(secret="other")


class NoSessions(SessionStore):
    """A store without a session."""

    async def open(self):
        """There is nothing to open."""

    async def close(self):
        """There is nothing to close."""

    async def create(self, spec, session_id=None):
        """Refuse: the tests here open none."""
        raise NotImplementedError

    async def find(self, session_id):
        """No session has an id here."""
        raise SessionNotFound(session_id)

    def admit(self, spec):
        """No job is admitted."""
        raise SessionUnusable(spec.session_id)

    async def close_session(self, session_id, *, cancel=False):
        """No session has an id here."""
        raise SessionNotFound(session_id)


def posted(**fields):
    """The body of a POST /jobs."""
    whole = {
        "programId": "hello-quantum",
        **dict.fromkeys(("hub", "group", "project"), "here"),
        "backend": "",
        "params": [],
    }
    return RunRequest.model_validate(whole | fields).read()


@pytest.mark.parametrize("name", ["", "string", DEFAULT_BACKEND])
async def test_a_placeholder_is_the_default_backend(submission, jobs, name):
    """An empty name, and the one of the 2021 documentation, mean the default backend."""
    job = jobs.jobs[await submission.submit(posted(backend=name), TENANT, None)]
    assert job.spec.backend == DEFAULT_BACKEND


async def test_a_spec_has_the_program_s_id_version_and_time_limit(submission, jobs):
    """The client's spelling of an id gives way to the program's own."""
    job_id = await submission.submit(posted(programId="Hello-Quantum", tags=["a"]), TENANT, None)
    spec = jobs.jobs[job_id].spec
    metadata = Catalog().get("hello-quantum").metadata
    assert (spec.program_id, spec.tags, spec.hub) == ("hello-quantum", ("a",), "here")
    assert spec.program_version == metadata.version
    assert spec.max_execution_seconds == metadata.max_execution_time
    assert jobs.params[job_id] == "{}"


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"programId": "nope"}, UnknownProgram),
        ({"backend": "nope"}, UnknownBackend),
        ({"backend": "x" * 100}, UnknownBackend),
        ({"programVersion": "0"}, ProgramChanged),
        ({"params": ["[1]"]}, InvalidField),
        ({"params": ["{" + " " * MAX_PARAMS_BYTES + "}"]}, TooLarge),
    ],
)
async def test_a_wrong_request_makes_no_job(submission, jobs, fields, error):
    """Each mistake has its own exception, and the store is never asked."""
    with pytest.raises(error):
        await submission.submit(posted(**fields), TENANT, "key")
    assert jobs.jobs == {}


async def test_a_key_makes_one_job_even_after_its_program_has_gone(submission, jobs, programs):
    """The same request with the same key returns the job; another tenant's makes its own."""
    program = await programs.create(ProgramMetadata(name="mine", description=""), SOURCE)
    asked = posted(programId=program.id)
    first = await submission.submit(asked, TENANT, "key")
    assert await submission.submit(asked, TENANT, "key") == first
    assert await submission.submit(asked, OTHER, "key") != first
    await programs.delete(program.id)
    assert await submission.submit(asked, TENANT, "key") == first
    with pytest.raises(UnknownProgram):
        await submission.submit(asked, TENANT, "another key")


async def test_a_job_without_its_input_is_not_taken_for_the_request_s(submission, jobs):
    """The store decides about a job whose submission broke off."""
    asked = read_request(posted(), "made")
    await jobs.submit(asked)
    assert await jobs.find_repeated(asked)
    broken = jobs.jobs["made"].status.model_copy(update={"reason": Reason.INPUT_LOST})
    jobs.jobs["made"] = jobs.jobs["made"].model_copy(update={"status": broken})
    assert await jobs.find_repeated(asked) is None


SPEC = JobSpec(program_id="p", backend="b", hub="h", tags=("x",), program_version="1")


@pytest.mark.parametrize(
    ("change", "params", "is_same"),
    [
        ({}, "{}", True),
        ({"program_version": "2", "max_execution_seconds": 7}, "{}", True),
        ({}, "{ }", False),
        ({"program_id": "q"}, "{}", False),
        ({"backend": "c"}, "{}", False),
        ({"hub": ""}, "{}", False),
        ({"group": "g"}, "{}", False),
        ({"project": "p"}, "{}", False),
        ({"tags": ("x", "y")}, "{}", False),
    ],
)
def test_a_request_is_the_same_by_what_its_client_asked_for(change, params, is_same):
    """The program's version and time limit may have changed; nothing else may."""
    digest = hashlib.sha256(params.encode()).hexdigest()
    assert JobRequest(SPEC).same_as(SPEC.model_copy(update=change), digest) == is_same
