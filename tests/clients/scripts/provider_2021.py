"""The client of 2021, qiskit-ibmq-provider 0.20.2, over TLS."""

import logging
import os
import time
import uuid
import warnings

import checklist
from checklist import INSTANCE_NAME, TOKEN, URL, check, once, raises, wait_until
from qiskit import IBMQ, QuantumCircuit
from qiskit.providers import JobStatus
from qiskit.providers.ibmq.api.exceptions import RequestsApiError
from qiskit.providers.ibmq.exceptions import IBMQError
from qiskit.providers.ibmq.runtime.exceptions import (
    RuntimeJobFailureError,
    RuntimeJobNotFound,
    RuntimeProgramNotFound,
)

SLEEP, FAIL = os.environ["CLIENTS_SLEEP"], os.environ["CLIENTS_FAIL"]
HUB, GROUP, PROJECT = INSTANCE_NAME.split("/")

SOURCE = '''
from qiskit import QuantumCircuit


def main(backend, user_messenger, turns=3, circuit=None):
    """Publishes one message a turn, and returns the counts of a circuit."""
    for turn in range(turns):
        user_messenger.publish({"turn": turn})
    print("to the log")
    counts = backend.run(circuit, shots=100).result().get_counts() if circuit else "done"
    user_messenger.publish(counts, final=True)
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
def provider():
    """The provider of the account: a login, and the address of the runtime that it returns."""
    return IBMQ.enable_account(TOKEN, url=f"{URL}/api")


def runtime():
    """The runtime service of the provider."""
    return provider().runtime


@once
def program():
    """The id of the uploaded program."""
    return runtime().upload_program(data=SOURCE, metadata=METADATA)


def run(inputs=None, program_id=None, **more):
    """Run a program on the simulator."""
    options = {"backend_name": "aer_simulator"}
    return runtime().run(program_id or program(), options, inputs or {}, **more)


@once
def ended():
    """A job that has ended."""
    job = run({"turns": 3})
    job.wait_for_final_state(timeout=60)
    return job


@check
def logs_in():
    """enable_account() finds hub, group and project of the account."""
    credentials = provider().credentials
    assert (credentials.hub, credentials.group, credentials.project) == (HUB, GROUP, PROJECT)
    assert provider().has_service("runtime")


@check
def refuses_a_wrong_token():
    """A wrong token is an error of the login."""
    from qiskit.providers.ibmq.ibmqfactory import IBMQFactory

    return raises(IBMQError, IBMQFactory().enable_account, "wrong-token", url=f"{URL}/api")


@check
def finds_its_provider():
    """get_provider() takes hub, group and project."""
    provider()
    assert IBMQ.get_provider(hub=HUB, group=GROUP, project=PROJECT)
    assert IBMQ.active_account()["token"] == TOKEN


@check
def lists_backends():
    """The provider has the backends of this server."""
    names = [backend.name() for backend in provider().backends()]
    assert "aer_simulator" in names, names
    return names


@check
def describes_backends():
    """Configuration, status and properties of a device are readable by its classes."""
    device = provider().backends(simulator=False)[0]
    assert device.configuration().n_qubits >= 10
    assert device.status().operational
    assert device.properties().t1(0) > 0


@check
def uploads_a_program():
    """Metadata and schema come back as they were sent."""
    found = runtime().program(program(), refresh=True)
    assert found.name == METADATA["name"]
    assert found.max_execution_time == 120
    assert found.parameters().metadata["properties"]["turns"]["type"] == "integer"


@check
def lists_programs():
    """The list has the program, and those of the library."""
    everything = [one.program_id for one in runtime().programs(refresh=True, limit=None)]
    assert program() in everything
    assert "hello-world" in everything
    assert len(runtime().programs(refresh=True, limit=2)) == 2
    return len(everything)


@check
def updates_a_program():
    """Metadata changes."""
    runtime().update_program(program(), description="Changed.")
    assert runtime().program(program(), refresh=True).description == "Changed."


@check
def changes_a_programs_visibility():
    """A program is made public, and private again."""
    runtime().set_program_visibility(program(), public=True)
    assert runtime().program(program(), refresh=True).is_public is True
    runtime().set_program_visibility(program(), public=False)


@check
def refuses_an_unknown_program():
    """An id that no program has is not found, to read and to run."""
    raises(RuntimeProgramNotFound, runtime().program, "no-such-program")
    return raises(RequestsApiError, run, program_id="no-such-program")


@check
def runs_a_program():
    """The result of a run is what the program published as final."""
    assert ended().result() == "done"
    assert ended().status() is JobStatus.DONE
    assert ended().program_id == program()


@check
def sends_circuits():
    """A circuit of an old Qiskit is read by the server's new one."""
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    counts = run({"circuit": circuit}).result(timeout=60)
    assert sum(counts.values()) == 100
    assert set(counts) <= {"00", "11"}


@check
def streams_interim_results():
    """The callback gets each message once and in order, over a websocket."""
    seen = []
    job = run({"turns": 20}, callback=lambda job_id, data: seen.append(data))
    assert job.result(timeout=60) == "done"
    if URL.startswith("http:"):
        return "without TLS this client opens no websocket"
    wait_until(lambda: len(seen) >= 20)
    time.sleep(0.5)
    assert seen[:20] == [{"turn": turn} for turn in range(20)], seen
    assert seen[20:] in ([], ["done"]), seen
    return len(seen)


@check
def reads_logs():
    """The log has what the program printed."""
    assert "to the log" in ended().logs()


@check
def finds_jobs():
    """jobs() has the job, and job() finds it by its id."""
    job_id = ended().job_id()
    assert runtime().job(job_id).status() is JobStatus.DONE
    # Of its own program: this client reads the circuits of all that it lists, and not today's.
    for filters in ({}, {"pending": False}):
        found = runtime().jobs(program_id=program(), limit=None, **filters)
        assert job_id in [job.job_id() for job in found]
    raises(RuntimeJobNotFound, runtime().job, "no-such-job")


@check
def returns_its_inputs():
    """A job found by its id has its inputs."""
    assert runtime().job(ended().job_id()).inputs == {"turns": 3}


@check
def cancels_a_job():
    """A running job is cancelled."""
    job = run({"seconds": 60}, program_id=SLEEP)
    wait_until(lambda: job.status() is JobStatus.RUNNING)
    job.cancel()
    job.wait_for_final_state(timeout=60)
    assert job.status() is JobStatus.CANCELLED


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
    runtime().delete_job(job.job_id())
    return raises(RuntimeJobNotFound, runtime().job, job.job_id())


@check
def deletes_a_program():
    """A deleted program is not found; this is the last check."""
    runtime().delete_program(program())
    return raises(RuntimeProgramNotFound, runtime().program, program(), refresh=True)


warnings.simplefilter("ignore")
logging.disable(logging.WARNING)
checklist.run()
