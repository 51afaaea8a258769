"""Sessions and batches: their jobs, their states, and their end."""

from backends import device
from checklist import check, once, raises, since, wait_until
from construct import service
from jobs import SLEEP
from primitives import bell, for_device
from qiskit_ibm_runtime import Batch, SamplerV2, Session
from qiskit_ibm_runtime.exceptions import IBMInputValueError, IBMRuntimeError


@once
def circuit():
    """A circuit for the device."""
    return for_device(bell())


@once
def closed_session():
    """A session that ran two jobs and is closed."""
    with Session(device()) as session:
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
    assert details["backend_name"] == device().name
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


@check
def refuses_jobs_after_the_close():
    """A closed session takes no job, also from a client that does not know that it is closed."""
    session, _, _ = closed_session()
    other = Session.from_id(session.session_id, service())
    return raises(IBMRuntimeError, SamplerV2(other).run, [circuit()])


@check
def opens_a_session_by_its_id():
    """from_id() continues a session."""
    with Session(device()) as session:
        other = Session.from_id(session.session_id, service())
        assert other.session_id == session.session_id
        assert SamplerV2(other).run([circuit()], shots=10).result(timeout=60)


@check
def refuses_an_unknown_session():
    """An id that no session has is the client's own error."""
    return raises((IBMInputValueError, IBMRuntimeError), Session.from_id, "no-such", service())


@check
def bounds_a_sessions_time():
    """max_time is kept, as seconds."""
    session = Session(device(), max_time="5m")
    assert session.details()["max_time"] == 300
    session.close()


@check
def cancels_a_sessions_jobs():
    """cancel() ends the jobs that wait, and takes no others."""
    session = Session(device())
    jobs = [session._run(SLEEP, {"seconds": 60}) for _ in range(2)]
    wait_until(lambda: any(job.running() for job in jobs))
    session.cancel()
    wait_until(lambda: any(job.cancelled() for job in jobs))
    wait_until(lambda: session.status() != "In progress, accepting new jobs")
    for job in jobs:
        if not job.in_final_state():
            job.cancel()


@check
def runs_jobs_in_a_batch():
    """A batch's jobs run, and it is found as a batch."""
    with Batch(device()) as batch:
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

    with Session(device()) as session:
        result = Calibrator(session).run().result(timeout=60)
    assert result is not None
    return result
