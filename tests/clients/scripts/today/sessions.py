"""Sessions and batches: their jobs, their states, and their end."""

from backends import ring
from checklist import check, newest, once, raises, since, wait_until
from construct import service
from jobs import SLEEP
from primitives import bell, for_device
from qiskit_ibm_runtime import Batch, SamplerV2, Session
from qiskit_ibm_runtime.exceptions import IBMInputValueError, IBMRuntimeError

PAGE = 20
"""The most jobs that the client asks for at once."""


@once
def circuit():
    """A circuit for the device."""
    return for_device(bell())


@once
def closed_session():
    """A session that ran two jobs and is closed."""
    with Session(ring()) as session:
        sampler = SamplerV2(session)
        jobs = [sampler.run([circuit()], shots=10) for _ in range(2)]
        states = session.status()
        for job in jobs:
            job.result(timeout=90)
    return session, jobs, states


@check
def runs_jobs_in_a_session():
    """Both jobs belong to the session, and ran."""
    session, jobs, _ = closed_session()
    assert session.session_id
    assert {service().job(job.job_id()).session_id for job in jobs} == {session.session_id}


@check
def says_a_sessions_state():
    """It is open while it takes jobs, and closed at its end."""
    session, _, state = closed_session()
    assert state in ("Pending", "In progress, accepting new jobs"), state
    wait_until(lambda: session.status() == "Closed")


@check
def describes_a_session():
    """details() has the backend, the mode and the times."""
    session, _, _ = closed_session()
    details = session.details()
    assert details["id"] == session.session_id
    assert details["backend_name"] == ring().name
    assert details["mode"] == "dedicated"
    assert details["accepting_jobs"] is False
    assert details["started_at"]
    assert session.usage() is not None
    return details


@check
def finds_the_jobs_of_a_session():
    """jobs(session_id=) are its jobs, and no others."""
    session, jobs, _ = closed_session()
    found = service().jobs(session_id=session.session_id, limit=None)
    assert {job.job_id() for job in found} == {job.job_id() for job in jobs}


@newest
def pages_through_more_jobs_than_a_page():
    """The client asks for pages of 20 jobs until it has them all: each once, the newest first."""
    session = Session(ring())
    # The first one runs, and the others wait for it.
    jobs = [session._run(SLEEP, {"seconds": 120}) for _ in range(PAGE + 1)]
    session.cancel()
    jobs[0].cancel()
    newest_first = [job.job_id() for job in jobs][::-1]

    def find(**pages):
        return [job.job_id() for job in service().jobs(session_id=session.session_id, **pages)]

    assert find(limit=None) == newest_first
    assert find(limit=PAGE, skip=1) == newest_first[1:]


@check
def refuses_jobs_after_the_close():
    """A closed session takes no job, also from a client that does not know that it is closed."""
    session, _, _ = closed_session()
    other = Session.from_id(session.session_id, service())
    return raises(IBMRuntimeError, SamplerV2(other).run, [circuit()])


@newest
def opens_a_session_by_its_id():
    """from_id() continues a session."""
    with Session(ring()) as session:
        other = Session.from_id(session.session_id, service())
        assert other.session_id == session.session_id
        assert SamplerV2(other).run([circuit()], shots=10).result(timeout=60)


@newest
def refuses_an_unknown_session():
    """An id that no session has is the client's own error."""
    return raises((IBMInputValueError, IBMRuntimeError), Session.from_id, "no-such", service())


@newest
def bounds_a_sessions_time():
    """max_time is kept, as seconds."""
    session = Session(ring(), max_time="5m")
    assert session.details()["max_time"] == 300
    session.close()


@check
def cancels_a_sessions_jobs():
    """cancel() ends the job that waits, leaves the one that runs, and takes no others."""
    session = Session(ring())
    running, waiting = (session._run(SLEEP, {"seconds": 60}) for _ in range(2))
    wait_until(running.running)
    assert waiting.status() == "QUEUED", waiting.status()
    session.cancel()
    wait_until(waiting.cancelled)
    wait_until(lambda: session.status() != "In progress, accepting new jobs")
    other = Session.from_id(session.session_id, service())
    error = raises(IBMRuntimeError, other._run, SLEEP, {"seconds": 0})
    assert running.running(), running.status()
    running.cancel()
    return error


@check
def runs_jobs_in_a_batch():
    """A batch's jobs run, and it is found as a batch."""
    with Batch(ring()) as batch:
        sampler = SamplerV2(batch)
        jobs = [sampler.run([circuit()], shots=10) for _ in range(2)]
    for job in jobs:
        assert job.result(timeout=60)[0].data.meas.num_shots == 10
    assert batch.details()["mode"] == "batch"
    assert Batch.from_id(batch.session_id, service()).session_id == batch.session_id


@since(0, 51)
def calibrates_in_a_session():
    """Calibrator returns the times of a calibration."""
    from qiskit_ibm_runtime import Calibrator

    with Session(ring()) as session:
        result = Calibrator(session).run().result(timeout=60)
    assert result is not None
    return result
