"""The last official client with programs of one's own: 0.15.1 of 2023, over TLS."""

import base64
import logging
import os
import time
import uuid
import warnings

import checklist
from checklist import INSTANCE, TOKEN, URL, check, once, raises, wait_until
from qiskit import QuantumCircuit
from qiskit.providers import JobStatus
from qiskit_ibm_runtime import QiskitRuntimeService, Session
from qiskit_ibm_runtime.exceptions import (
    IBMNotAuthorizedError,
    RuntimeInvalidStateError,
    RuntimeJobFailureError,
    RuntimeJobMaxTimeoutError,
    RuntimeJobNotFound,
    RuntimeProgramNotFound,
)

SLEEP, FAIL = os.environ["CLIENTS_SLEEP"], os.environ["CLIENTS_FAIL"]

SOURCE = '''
import sys

from qiskit import QuantumCircuit


def main(backend, user_messenger, turns=3, circuit=None):
    """Publishes one message a turn, and returns the counts of a Bell circuit."""
    for turn in range(turns):
        user_messenger.publish({"turn": turn})
    print("to the log", file=sys.stderr)
    return backend.run(circuit, shots=100).result().get_counts() if circuit else "done"
'''

METADATA = {
    "name": f"turns-{uuid.uuid4().hex[:8]}",
    "description": "Publishes turns.",
    "max_execution_time": 120,
    "spec": {
        "parameters": {
            "$schema": "https://json-schema.org/draft/2019-09/schema",
            "properties": {"turns": {"type": "integer", "minimum": 0}},
        }
    },
}


@once
def service():
    """The service; this client asks nobody for a token, and searches for no instance."""
    return QiskitRuntimeService(
        channel="ibm_cloud", token=TOKEN, instance=INSTANCE, url=f"{URL}/experimental"
    )


@once
def program():
    """The id of the uploaded program."""
    return service().upload_program(data=SOURCE, metadata=METADATA)


def run(inputs=None, program_id=None, **more):
    """Run a program on the simulator."""
    options = {"backend": "aer_simulator", **more.pop("options", {})}
    return service().run(program_id or program(), inputs or {}, options=options, **more)


def bell():
    """Return a Bell circuit."""
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return circuit


@once
def ended():
    """A job that has ended."""
    job = run({"turns": 3})
    job.wait_for_final_state(timeout=60)
    return job


@check
def lists_backends():
    """Names alone are in the list for this client; it asks for each configuration."""
    names = [backend.name for backend in service().backends()]
    assert "aer_simulator" in names, names
    return names


@check
def describes_backends():
    """Configuration, status and properties of a device are readable by its classes."""
    device = service().backends(simulator=False)[0]
    assert device.configuration().n_qubits >= 10
    assert device.status().operational
    assert device.properties().t1(0) > 0
    assert service().least_busy().name


@check
def refuses_a_wrong_token():
    """The key that this client sends with each request is compared."""
    error = raises(
        Exception, QiskitRuntimeService,
        channel="ibm_cloud", token="wrong-token", instance=INSTANCE, url=f"{URL}/experimental",
    )  # fmt: skip
    assert isinstance(error, IBMNotAuthorizedError) or "401" in str(error), error


@check
def uploads_a_program():
    """Metadata and schema come back as they were sent."""
    found = service().program(program(), refresh=True)
    assert found.name == METADATA["name"]
    assert found.description == METADATA["description"]
    assert found.max_execution_time == 120
    assert found.is_public is False
    assert found.parameters().metadata["properties"]["turns"]["type"] == "integer"
    assert found.creation_date
    assert found.update_date


@check
def downloads_a_program():
    """The source is the one that was uploaded."""
    data = service().program(program(), refresh=True).data
    assert SOURCE in (data, base64.b64decode(data).decode(errors="replace")), data


@check
def lists_programs():
    """The list has the program, and those of the library; limit and skip page it."""
    program()
    everything = [one.program_id for one in service().programs(refresh=True, limit=None)]
    assert program() in everything
    assert "hello-world" in everything
    page = service().programs(refresh=True, limit=2, skip=1)
    assert len(page) == 2
    return len(everything)


@check
def updates_a_program():
    """Metadata and source change, each alone."""
    service().update_program(program(), description="Changed.")
    assert service().program(program(), refresh=True).description == "Changed."
    service().update_program(program(), data=SOURCE + "\n# changed\n")
    assert run({"turns": 1}).result(timeout=60) == "done"


@check
def changes_a_programs_visibility():
    """A program is made public, and private again."""
    service().set_program_visibility(program(), public=True)
    assert service().program(program(), refresh=True).is_public is True
    service().set_program_visibility(program(), public=False)
    assert service().program(program(), refresh=True).is_public is False


@check
def refuses_an_unknown_program():
    """An id that no program has is the client's own exception, to read and to run."""
    raises(RuntimeProgramNotFound, service().program, "no-such-program")
    return raises(RuntimeProgramNotFound, run, program_id="no-such-program")


@check
def runs_a_program():
    """The result of a run is what the program returned."""
    assert ended().result() == "done"
    assert ended().status() is JobStatus.DONE
    assert ended().program_id == program()


@check
def sends_circuits():
    """A circuit of an old Qiskit is read by the server's new one."""
    counts = run({"circuit": bell()}).result(timeout=60)
    assert sum(counts.values()) == 100
    assert set(counts) <= {"00", "11"}


@check
def streams_interim_results():
    """The callback gets each message once and in order, over a websocket."""
    seen = []
    job = run({"turns": 20}, callback=lambda job_id, data: seen.append(data))
    assert job.result(timeout=60) == "done"
    wait_until(lambda: len(seen) >= 20)
    time.sleep(0.5)
    assert seen[:20] == [{"turn": turn} for turn in range(20)], seen
    # The result comes as the last message of the stream.
    assert seen[20:] in ([], ["done"]), seen
    return len(seen)


@check
def streams_a_job_that_has_ended():
    """A listener that comes late gets the messages from the first."""
    seen = []
    job = service().job(ended().job_id())
    try:
        job.stream_results(lambda job_id, data: seen.append(data))
    except RuntimeInvalidStateError:
        return "the client does not stream what has ended"
    wait_until(lambda: len(seen) >= 3)
    assert seen[:3] == [{"turn": turn} for turn in range(3)], seen
    return seen


@check
def streams_while_the_job_runs():
    """Messages come while the program runs, and not at its end."""
    seen = []
    job = run({"seconds": 60}, program_id=SLEEP)
    job.stream_results(lambda job_id, data: seen.append(data))
    wait_until(lambda: len(seen) >= 3)
    assert job.status() is JobStatus.RUNNING
    job.cancel_result_streaming()
    job.cancel()


@check
def reads_interim_results_afterwards():
    """interim_results() is the list of all messages."""
    assert ended().interim_results() == [{"turn": turn} for turn in range(3)]


@check
def reads_logs():
    """The log has what the program printed."""
    assert "to the log" in ended().logs()


@check
def reads_metrics():
    """metrics() has the times of the job."""
    assert ended().metrics()["timestamps"]["finished"]


@check
def finds_jobs():
    """jobs() has the job, by id, program and state."""
    job_id = ended().job_id()
    assert service().job(job_id).status() is JobStatus.DONE
    assert job_id in [job.job_id() for job in service().jobs(program_id=program(), limit=None)]
    # Of its own program: this client reads the circuits of all that it lists, and not today's.
    ended_jobs = service().jobs(program_id=program(), pending=False, limit=None)
    assert job_id in [job.job_id() for job in ended_jobs]
    assert ended().creation_date
    raises(RuntimeJobNotFound, service().job, "no-such-job")


@check
def tags_jobs():
    """Tags of a run are found."""
    tag = f"tag-{uuid.uuid4().hex[:8]}"
    job = run({"turns": 0}, options={"job_tags": [tag]})
    job.wait_for_final_state(timeout=60)
    assert [one.job_id() for one in service().jobs(job_tags=[tag])] == [job.job_id()]


@check
def cancels_a_job():
    """A running job is cancelled."""
    job = run({"seconds": 60}, program_id=SLEEP)
    wait_until(lambda: job.status() is JobStatus.RUNNING)
    job.cancel()
    job.wait_for_final_state(timeout=60)
    assert job.status() is JobStatus.CANCELLED
    return raises(RuntimeInvalidStateError, service().job(job.job_id()).result)


@check
def ends_a_job_over_its_time():
    """A job over its time limit ends with the client's own exception."""
    job = run({"seconds": 60}, program_id=SLEEP, options={"max_execution_time": 1})
    return raises((RuntimeJobMaxTimeoutError, RuntimeJobFailureError), job.result, timeout=60)


@check
def says_why_a_job_failed():
    """The exception has the program's own words."""
    job = run({"reason": "the dog has eaten it"}, program_id=FAIL)
    error = raises(RuntimeJobFailureError, job.result, timeout=60)
    assert "the dog has eaten it" in str(error), error


@check
def deletes_a_job():
    """A deleted job is not found."""
    job = run({"turns": 0})
    job.wait_for_final_state(timeout=60)
    service().delete_job(job.job_id())
    return raises(RuntimeJobNotFound, service().job, job.job_id())


@check
def runs_jobs_in_a_session():
    """The first job starts the session, which has its id; the second is of it."""
    device = service().backends(simulator=False)[0].name
    with Session(service=service(), backend=device) as session:
        first = session.run(program(), {"turns": 0})
        assert first.result(timeout=60) == "done"
        second = session.run(program(), {"turns": 0})
        assert second.result(timeout=60) == "done"
    assert session.session_id
    assert service().job(second.job_id()).session_id == session.session_id
    session.close()


@check
def deletes_a_program():
    """A deleted program is not found; this is the last check."""
    service().delete_program(program())
    return raises(RuntimeProgramNotFound, service().program, program(), refresh=True)


warnings.simplefilter("ignore")
logging.disable(logging.WARNING)
checklist.run()
