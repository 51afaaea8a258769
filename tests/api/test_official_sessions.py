"""The official client's Session and Batch against a real local server, unmodified."""

import pytest

from tests.api.official_client import serve_official_client

BEGIN = """
import json
from qiskit_ibm_runtime import Batch, QiskitRuntimeService, Session
service = QiskitRuntimeService()
backend = service.backend("aer_montreal")
def steps(*steps): return {"steps": [list(step) for step in steps]}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Run a script of the client against the server; return what it prints as JSON."""
    folder = tmp_path_factory.mktemp("official")
    with serve_official_client(folder, BEGIN, seconds=200) as call:
        yield call


def test_session_of_twenty_dependent_jobs(run):
    """Each job's parameters are the result of the one before it; details and usage tell of it."""
    seen = run("""
with Session(backend, max_time="1h") as session:
    value, jobs = 0, []
    for _ in range(20):
        job = session._run("steps", steps(["final", value + 1]))
        value = job.result()
        jobs.append(job)
    inside, details = session.status(), session.details()
    usage = session.usage()
print(json.dumps({
    "value": value, "inside": inside, "after": session.status(), "details": details,
    "usage": usage, "ids": {job.session_id for job in jobs} == {session.session_id},
    "listed": len(service.jobs(session_id=session.session_id, limit=None)),
}))
""")
    assert (seen["value"], seen["listed"], seen["ids"]) == (20, 20, True)
    assert seen["inside"] == "In progress, accepting new jobs" and seen["after"] == "Closed"
    details = seen["details"]
    assert (details["mode"], details["max_time"], details["state"]) == ("dedicated", 3600, "active")
    assert details["backend_name"] == "aer_montreal" and details["accepting_jobs"]
    assert details["activated_at"] <= details["last_job_started"] <= details["last_job_completed"]
    assert [one["status"] for one in details["timestamps"]] == ["open", "active"]
    assert seen["usage"] >= details["usage_time"] > 0


def test_batch_runs_a_sampler_beside_others(run):
    """The top-level primitives run in it, and its usage is that of its jobs."""
    seen = run("""
from qiskit import QuantumCircuit, transpile
from qiskit_ibm_runtime import SamplerV2
bell = QuantumCircuit(2)
bell.h(0)
bell.cx(0, 1)
bell.measure_all()
bell = transpile(bell, backend)
with Batch(backend) as batch:
    sampler = SamplerV2(mode=batch)
    jobs = [sampler.run([bell], shots=100) for _ in range(2)]
counts = [job.result()[0].data.meas.get_counts() for job in jobs]
print(json.dumps({
    "counts": [sum(one.values()) for one in counts], "status": batch.status(),
    "mode": batch.details()["mode"], "usage": batch.usage(),
    "ran": sum(job.metrics()["usage"]["seconds"] for job in jobs),
}))
""")
    assert seen["counts"] == [100, 100]
    assert (seen["mode"], seen["status"]) == ("batch", "Closed")
    assert abs(seen["usage"] - seen["ran"]) < 1


def test_session_is_found_by_its_id(run):
    """from_id goes on with an open one, knows a closed one, and tells session from batch."""
    seen = run("""
from qiskit_ibm_runtime.exceptions import IBMInputValueError
opened = Session(backend)
again = Session.from_id(opened.session_id, service)
job = again._run("steps", steps(["final", "here"]))
result = job.result()
again.close()
closed = Session.from_id(opened.session_id, service)
errors = []
for work in (
    lambda: Batch.from_id(opened.session_id, service),
    lambda: Session.from_id("nobodys", service),
    lambda: closed._run("steps", steps()),
):
    try:
        work()
    except Exception as error:
        errors.append(f"{type(error).__name__}: {error}")
print(json.dumps({"result": result, "status": closed.status(), "errors": errors}))
""")
    assert (seen["result"], seen["status"]) == ("here", "Closed")
    wrong, unknown, refused = seen["errors"]
    assert "has execution mode dedicated instead of batch" in wrong
    assert "IBMInputValueError" in unknown and "Session not found" in unknown
    assert refused == "IBMRuntimeError: 'The session is closed.'"


def test_server_refuses_a_job_after_another_client_closed(run):
    """A client that does not know it reads the reason in the error."""
    seen = run("""
one = Session(backend)
other = Session.from_id(one.session_id, service)
other.close()
try:
    one._run("steps", steps())
except Exception as error:
    print(json.dumps(f"{type(error).__name__}: {error}"))
""")
    assert seen.startswith("IBMRuntimeError") and "Failed to run program: '409" in seen
    assert "The session is closed: session" in seen


def test_cancel_ends_queued_jobs(run, gate):
    """The running one completes; the queued ones are CANCELLED, and the session is closed."""
    seen = run(f"""
import pathlib, time
session = Session(backend)
running = session._run("steps", steps(["wait", {str(gate)!r}], ["final", 1]))
queued = [session._run("steps", steps()) for _ in range(3)]
while running.status() != "RUNNING":
    time.sleep(0.05)
session.cancel()
for job in queued:
    job.wait_for_final_state(timeout=30)
phases = [job.status() for job in queued]
status = session.status()
pathlib.Path({str(gate)!r}).touch()
print(json.dumps([phases, status, running.result()]))
""")
    assert seen == [["CANCELLED"] * 3, "Closed", 1]


def test_closing_lets_accepted_jobs_run(run, gate):
    """Its status says so meanwhile."""
    seen = run(f"""
import pathlib
with Session(backend) as session:
    first = session._run("steps", steps(["wait", {str(gate)!r}], ["final", 1]))
    second = session._run("steps", steps(["final", 2]))
meanwhile = session.status()
pathlib.Path({str(gate)!r}).touch()
print(json.dumps([meanwhile, first.result(), second.result(), session.status()]))
""")
    assert seen == ["In progress, not accepting new jobs", 1, 2, "Closed"]


def test_wrong_max_time_is_refused_with_the_limit(run):
    """The client shows the server's text."""
    seen = run("""
try:
    Session(backend, max_time=8 * 86400)
except Exception as error:
    print(json.dumps(str(error)))
""")
    assert "max_ttl" in seen and "604800" in seen
