"""Jobs: found, followed, cancelled and deleted; their logs, metrics, tags and privacy.

The harness has uploaded three programs of its own: one that sleeps, one that fails, and one that
returns its inputs.
"""

import os
import time
import uuid
from datetime import datetime, timedelta

import numpy as np
from backends import device, simulator
from checklist import check, newest, once, raises, wait_until
from construct import service
from primitives import assert_bell, bell, bell_job, device_job, estimate_job
from qiskit_ibm_runtime import SamplerV2
from qiskit_ibm_runtime.exceptions import (
    IBMRuntimeError,
    RuntimeInvalidStateError,
    RuntimeJobFailureError,
    RuntimeJobMaxTimeoutError,
    RuntimeJobNotFound,
    RuntimeJobTimeoutError,
    RuntimeProgramNotFound,
)

SLEEP, FAIL, ECHO = (os.environ[f"CLIENTS_{name}"] for name in ("SLEEP", "FAIL", "ECHO"))

TAG = f"tag-{uuid.uuid4().hex[:8]}"
"""A tag that no other job has."""


def run(program, inputs, **options):
    """Run a program of the user's own: the private method is the client's only door to it."""
    return service()._run(program, inputs, options={"backend": simulator(), **options})


def run_sampler(tags=(), private=False, **options):
    """Run a sampler of one shot, with options of its environment."""
    sampler = SamplerV2(simulator(), options=options)
    sampler.options.environment.job_tags = list(tags)
    sampler.options.environment.private = private
    return sampler.run([bell()], shots=10)


@once
def tagged():
    """The ids of three jobs with one tag, the oldest first; they have ended."""
    jobs = [run_sampler(tags=[TAG, f"{TAG}-{number}"]) for number in range(3)]
    for job in jobs:
        job.wait_for_final_state(timeout=60)
    return [job.job_id() for job in jobs]


def find(**filters):
    """Return the ids of the tagged jobs that a filter leaves, the newest first."""
    tagged()
    return [job.job_id() for job in service().jobs(job_tags=[TAG], **filters)]


@check
def finds_a_job_by_its_id():
    """service.job() is the same job, with its result."""
    found = service().job(bell_job().job_id())
    assert found.status() == "DONE"
    assert found.primitive_id == "sampler"
    assert found.backend().name == "aer_simulator"
    assert_bell(found.result()[0].data.meas.get_counts(), 1000)


@newest
def reads_a_result_twice():
    """A result that is not private stays."""
    first, second = (bell_job().result()[0].data.meas.get_counts() for _ in range(2))
    assert first == second


@newest
def knows_its_states():
    """Each question about the state has its answer."""
    job = bell_job()
    assert job.done()
    assert job.in_final_state()
    assert not job.cancelled()
    assert not job.errored()
    assert not job.running()


@newest
def knows_its_creation_date():
    """creation_date is a time of the last minutes, with a zone."""
    created = service().job(bell_job().job_id()).creation_date
    age = datetime.now(created.tzinfo) - created
    assert timedelta(0) <= age < timedelta(hours=1), created


@check
def returns_its_inputs():
    """The inputs are what was sent."""
    inputs = bell_job().inputs
    assert inputs["version"] == 2
    assert len(inputs["pubs"]) == 1


@check
def logs_what_it_ran():
    """At the level DEBUG the logs say which circuits ran."""
    text = bell_job().logs()
    assert text.strip()
    return text[:500]


@check
def measures_its_times():
    """metrics() has the times of the job, and its usage."""
    metrics = bell_job().metrics()
    times = metrics["timestamps"]
    assert times["created"] <= times["running"] <= times["finished"], times
    assert metrics["usage"]["status"] != "pending", metrics
    return metrics


@check
def measures_its_circuits():
    """metrics() names the number of the circuits, their qubits and depths."""
    metrics = wait_until(lambda: bell_job().metrics())
    assert metrics["num_circuits"] == 1, metrics
    assert metrics["num_qubits"] == [2], metrics
    assert metrics["circuit_depths"][0] >= 2, metrics


@check
def measures_its_usage():
    """usage() is the time that the program took, and usage_estimation a number."""
    usage = bell_job().usage()
    assert 0 < usage < 60, usage
    assert "quantum_seconds" in bell_job().usage_estimation
    return usage


@check
def reports_the_instances_usage():
    """service.usage() has the seconds that were used, those of a job just now among them."""
    used = bell_job().usage()
    usage = service().usage()
    assert 0 < used <= usage["usage_consumed_seconds"] + 0.01, (used, usage)
    assert usage.get("usage_limit_reached", False) is False, usage
    return usage


@newest
def returns_the_properties_of_its_device():
    """job.properties() is of the device that it ran on."""
    assert device_job().properties().backend_name == device().name


@check
def finds_jobs_by_tags():
    """A job is found by all of the tags that are asked for."""
    assert find() == tagged()[::-1]
    assert [job.job_id() for job in service().jobs(job_tags=[TAG, f"{TAG}-1"])] == [tagged()[1]]
    assert service().jobs(job_tags=[TAG, "not-a-tag"]) == []


@check
def finds_jobs_by_pages():
    """Both limit and skip count through the list; no limit is all."""
    ids = tagged()[::-1]
    assert find(limit=2) == ids[:2]
    assert find(limit=2, skip=2) == ids[2:]
    assert find(limit=None) == ids


@newest
def finds_jobs_in_either_order():
    """descending=False is the oldest first."""
    assert find(descending=False) == tagged()


@newest
def finds_jobs_by_backend():
    """A job is found by the name of its backend."""
    assert find(backend_name="aer_simulator") == tagged()[::-1]
    assert find(backend_name=device().name) == []


@newest
def finds_jobs_by_program():
    """A job is found by its program."""
    assert find(program_id="sampler") == tagged()[::-1]
    assert find(program_id="estimator") == []


@newest
def finds_jobs_by_state():
    """The filter pending is whether a job has not ended."""
    assert find(pending=False) == tagged()[::-1]
    assert find(pending=True) == []


@check
def finds_jobs_by_date():
    """created_after and created_before are times on the user's clock."""
    now = datetime.now()  # noqa: DTZ005  (as the client takes them)
    assert find(created_after=now - timedelta(hours=1)) == tagged()[::-1]
    assert find(created_after=now + timedelta(hours=1)) == []
    assert find(created_before=now - timedelta(hours=1)) == []


@check
def changes_tags():
    """update_tags() replaces all tags, and they are found afterwards."""
    job = run(ECHO, {}, job_tags=["before"])
    job.wait_for_final_state(timeout=60)
    new = [f"{TAG}-changed", "second"]
    assert sorted(job.update_tags(new)) == sorted(new)
    assert sorted(service().job(job.job_id()).tags) == sorted(new)
    assert [one.job_id() for one in service().jobs(job_tags=[new[0]])] == [job.job_id()]


@check
def keeps_a_private_job_private():
    """Its inputs are empty, and its result is there once."""
    job = run_sampler(private=True)
    job.wait_for_final_state(timeout=60)
    assert not job.inputs, job.inputs
    assert job.result()[0].data.meas.num_shots == 10
    assert job.result() is None
    assert service().job(job.job_id()).private


@check
def cancels_a_running_job():
    """A job that sleeps is cancelled, and its result is refused."""
    job = run(SLEEP, {"seconds": 120})
    wait_until(job.running)
    job.cancel()
    # The client takes it for cancelled at once; its program has some seconds to end.
    wait_until(lambda: service().job(job.job_id()).in_final_state())
    found = service().job(job.job_id())
    assert found.cancelled(), found.status()
    return raises(RuntimeInvalidStateError, found.result)


@newest
def refuses_to_cancel_an_ended_job():
    """An ended job can't be cancelled."""
    return raises(RuntimeInvalidStateError, service().job(bell_job().job_id()).cancel)


@newest
def deletes_an_ended_job():
    """A deleted job is not found."""
    job_id = run(ECHO, {}).job_id()
    service().job(job_id).wait_for_final_state(timeout=60)
    service().delete_job(job_id)
    return raises(RuntimeJobNotFound, service().job, job_id)


@check
def deletes_a_running_job():
    """A job that has not ended is cancelled and deleted."""
    job = run(SLEEP, {"seconds": 120})
    service().delete_job(job.job_id())
    raises(RuntimeJobNotFound, service().job, job.job_id())


@check
def refuses_an_unknown_job():
    """An id that no job has is not found, to read and to delete."""
    raises(RuntimeJobNotFound, service().job, "no-such-job")
    return raises(RuntimeJobNotFound, service().delete_job, "no-such-job")


@check
def ends_a_job_over_its_time():
    """max_execution_time ends a job with the client's own exception."""
    job = run(SLEEP, {"seconds": 120}, max_execution_time=1)
    return raises(RuntimeJobMaxTimeoutError, job.result, timeout=60)


@check
def says_why_a_job_failed():
    """The exception has the program's own words."""
    job = run(FAIL, {"reason": "the cat has eaten it"})
    error = raises(RuntimeJobFailureError, job.result, timeout=60)
    assert "the cat has eaten it" in str(error), error
    assert job.errored()
    assert "the cat has eaten it" in job.error_message()
    assert "the cat has eaten it" in job.logs()
    return error


@newest
def waits_no_longer_than_asked():
    """result(timeout=) gives up while the job runs on."""
    job = run(SLEEP, {"seconds": 120})
    begun = time.monotonic()
    raises(RuntimeJobTimeoutError, job.result, timeout=1)
    assert time.monotonic() - begun < 20
    job.cancel()


@check
def runs_a_program_of_the_users_own():
    """Inputs reach an uploaded program, and its result comes back."""
    job = run(ECHO, {"text": "grüße", "number": 3, "nested": {"list": [1, None, True]}})
    assert job.result(timeout=60) == {
        "text": "grüße", "number": 3, "nested": {"list": [1, None, True]},
    }  # fmt: skip
    assert service().job(job.job_id()).primitive_id == ECHO


@newest
def carries_arrays_and_circuits():
    """Objects of NumPy and Qiskit travel there and back."""
    job = run(ECHO, {"array": np.arange(6).reshape(2, 3), "circuit": bell(), "number": 1 + 2j})
    answer = job.result(timeout=60)
    assert (answer["array"] == np.arange(6).reshape(2, 3)).all()
    assert answer["circuit"] == bell()
    assert answer["number"] == 1 + 2j


@newest
def runs_a_program_of_the_library():
    """hello-world of 2021 runs from today's client."""
    assert run("hello-world", {"iterations": 2}).result(timeout=60)


@check
def runs_circuit_runner():
    """Its result is what the client's own decoder of that program takes."""
    job = run("circuit-runner", {"circuits": bell(), "shots": 100})
    result = service().job(job.job_id()).result(timeout=60)
    assert sum(result.get_counts().values()) == 100


@newest
def refuses_an_unknown_program():
    """A program that is not there is the client's own exception."""
    return raises(RuntimeProgramNotFound, run, "no-such-program", {})


@check
def refuses_wrong_inputs():
    """Inputs that a program's schema does not allow name the field, at once."""
    error = raises(IBMRuntimeError, run, "hello-world", {"iterations": "many"})
    assert "iterations" in str(error), error
    return error


@newest
def says_which_option_is_wrong():
    """A mistake inside a pub fails the job, with its place."""
    job = run("sampler", {"pubs": [["no circuit"]], "version": 2})
    error = raises((RuntimeJobFailureError, IBMRuntimeError), job.result, timeout=60)
    assert "pubs" in str(error), error
    return error


@newest
def estimates_in_a_job_of_its_own():
    """A job of another primitive says which it is."""
    assert service().job(estimate_job().job_id()).primitive_id == "estimator"
    assert estimate_job().result()
