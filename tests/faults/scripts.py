"""The faults, each a script over a running stand: it does harm, and prints when it did.

``python -m tests.faults FI-01`` runs one and prints the jobs' lives; the tests run them all.
"""

import random
import time
from collections.abc import Callable

from qiskit_runtime.contract.resources.resource import JOB_LABEL
from tests.cluster.stand import Stand, wait_until
from tests.faults import pressure_scripts, warm_scripts
from tests.faults.history import FINAL
from tests.faults.recorder import Recorder
from tests.faults.steps import say, submit, wait_for_end

Script = Callable[[Stand, Recorder], None]

JOBS = 20
LISTENERS = 3
SUSPEND_SEED = 10
"""Of the moments at which Kubernetes Jobs are suspended and resumed."""


def kill_operator(stand: Stand, recorder: Recorder) -> None:
    """FI-01: the operator is killed five times, at random, while twenty jobs run."""
    for number in range(JOBS):
        submit(stand, recorder, f"fi01-{number}", listeners=LISTENERS)
    operator = stand.parts["operator"]
    for _ in range(5):
        time.sleep(random.uniform(1, 6))
        say(recorder, "kill -9 of the operator")
        operator.kill()
        time.sleep(random.uniform(0, 2))
        operator.start()
    wait_for_end(stand, recorder)
    phases = {job["status"]["phase"] for job in stand.jobs().values()}
    assert phases == {"Completed"}, f"jobs suffered: {phases}"


def lose_redis(stand: Stand, recorder: Recorder) -> None:
    """FI-04: Redis is killed in the middle of streams, and comes back empty; later once more."""
    for number in range(4):
        submit(stand, recorder, f"fi04-{number}", frames=300, listeners=LISTENERS)
    stand.wait_for("fi04-0", "Running")
    for away in (3.0, 1.0):
        time.sleep(random.uniform(2, 4))
        say(recorder, f"kill -9 of Redis; it comes back empty after {away:g} s")
        stand.parts["redis"].kill()
        time.sleep(away)
        stand.parts["redis"].start()
    wait_for_end(stand, recorder)
    phases = {job["status"]["phase"] for job in stand.jobs().values()}
    assert phases == {"Completed"}, f"jobs suffered: {phases}"


def end_without_redis(stand: Stand, recorder: Recorder) -> None:
    """FI-04b: Redis goes for good: jobs end all the same, and their listeners get everything."""
    submit(stand, recorder, "fi04b", frames=100, listeners=LISTENERS)
    stand.wait_for("fi04b", "Running")
    time.sleep(2)
    say(recorder, "kill -9 of Redis, for good")
    stand.parts["redis"].kill()
    wait_for_end(stand, recorder)
    assert stand.phase("fi04b") == "Completed"
    recorder.listen("fi04b")
    recorder.wait_for_listeners()


def delete_pod(stand: Stand, recorder: Recorder) -> None:
    """FI-05: the pod of a running job is deleted, with grace and without."""
    for name, grace in (("fi05-grace", 30), ("fi05-force", 0)):
        submit(stand, recorder, name, frames=2000)
        job = stand.wait_for(name, "Running")
        time.sleep(2)
        say(recorder, f"delete the pod of {name}, grace {grace} s")
        stand.core.delete_namespaced_pod(
            job["status"]["podName"], stand.namespace, grace_period_seconds=grace
        )
        ended = stand.wait_for(name, "Failed", seconds=30)["status"]
        assert ended["reason"] == "Interrupted", ended
    wait_for_end(stand, recorder)


def delete_kubernetes_job(stand: Stand, recorder: Recorder) -> None:
    """FI-06: the Kubernetes Job under a running job is deleted."""
    submit(stand, recorder, "fi06", frames=2000)
    job = stand.wait_for("fi06", "Running")
    time.sleep(2)
    say(recorder, "delete the Kubernetes Job")
    stand.batch.delete_namespaced_job(
        job["status"]["jobName"], stand.namespace, propagation_policy="Background"
    )
    ended = stand.wait_for("fi06", "Failed", seconds=30)["status"]
    assert ended["reason"] == "JobDeleted", ended
    wait_for_end(stand, recorder)


def run_out_of_memory(stand: Stand, recorder: Recorder) -> None:
    """FI-07: a program takes more memory than it may; others do not notice."""
    submit(stand, recorder, "fi07-good")
    recorder.history.counts["fi07"] = 1
    stand.submit("fi07", "hog")
    recorder.listen("fi07")
    say(recorder, "a program takes all the memory that it can get")
    ended = stand.wait_for("fi07", "Failed")["status"]
    assert ended["reason"] == "OutOfMemory", ended
    assert "512 MiB" in ended["message"], ended
    wait_for_end(stand, recorder)
    assert stand.phase("fi07-good") == "Completed"


def delete_runtimejob(stand: Stand, recorder: Recorder) -> None:
    """FI-08: RuntimeJobs are deleted while they run, also with the operator away."""
    uids = {name: submit(stand, recorder, name, frames=2000) for name in ("fi08-up", "fi08-down")}
    for name in uids:
        stand.wait_for(name, "Running")
    time.sleep(2)
    say(recorder, "delete fi08-up")
    stand.delete("fi08-up")
    wait_until(lambda: not stand.left_of("fi08-up"), 60, "nothing is left of fi08-up")
    redis = stand.redis()
    wait_until(lambda: not redis.exists(f"runtimejob:{uids['fi08-up']}"), 60, "its stream is gone")
    say(recorder, "kill -9 of the operator, and delete fi08-down")
    stand.parts["operator"].kill()
    stand.delete("fi08-down")
    wait_until(lambda: not stand.left_of("fi08-down"), 60, "nothing is left of fi08-down")
    # No operator is there to remove this stream: it expires.
    assert 0 < redis.ttl(f"runtimejob:{uids['fi08-down']}") <= 900
    assert stand.jobs() == {}
    stand.parts["operator"].start()
    recorder.wait_for_listeners()


def suspend_and_resume(stand: Stand, recorder: Recorder) -> None:
    """FI-09: the Kubernetes Jobs of twenty jobs are suspended and resumed at random moments."""
    moments = random.Random(SUSPEND_SEED)
    waiting, due = {}, []
    for number in range(JOBS):
        phase = moments.choice(("Queued", "Running", "Running"))
        waiting[f"fi09-{number}"] = (phase, moments.uniform(0, 3), moments.choice((0, 0.3, 2)))
        submit(stand, recorder, f"fi09-{number}", frames=200)
    alone = Alone(stand, recorder, moments.sample(sorted(waiting), 2))
    until = time.monotonic() + 300
    while waiting or due:
        assert time.monotonic() < until, f"not suspended: {waiting}, {due}"
        phases = {name: job["status"].get("phase", "Queued") for name, job in stand.jobs().items()}
        made = {job.metadata.labels[JOB_LABEL] for job in stand.kubernetes_jobs()}
        for name, (phase, after, for_seconds) in list(waiting.items()):
            if name in made and phases[name] in (phase, *FINAL):
                del waiting[name]
                at = time.monotonic() + after
                due += [(at, name, True), (at + for_seconds, name, False)]
        for moment in sorted(due):
            if moment[0] <= time.monotonic():
                due.remove(moment)
                _suspend(stand, recorder, alone, *moment[1:])
        time.sleep(0.1)
    wait_for_end(stand, recorder)
    # Resuming everything afterwards starts nothing.
    for name in stand.jobs():
        stand.suspend(name, value=False)
    wait_until(stand.is_over, 120, "every Kubernetes Job is over or gone")
    ends = {(job["status"]["phase"], job["status"].get("reason")) for job in stand.jobs().values()}
    assert ("Failed", "Interrupted") in ends, ends
    assert ends <= {("Completed", None), ("Failed", "Interrupted")}, ends


class Alone:
    """The jobs that are suspended and resumed while no operator runs, so that none sees both."""

    def __init__(self, stand: Stand, recorder: Recorder, names: list[str]) -> None:
        self._stand = stand
        self._recorder = recorder
        self._names = names
        self._suspended: set[str] = set()

    def before_suspending(self, name: str) -> None:
        """Kill the operator, unless it is down for another of them."""
        if name in self._names:
            if not self._suspended:
                say(self._recorder, "kill -9 of the operator")
                self._stand.parts["operator"].kill()
            self._suspended.add(name)

    def after_resuming(self, name: str) -> None:
        """Start the operator again, unless another of them still needs it down."""
        if name in self._suspended:
            self._suspended.remove(name)
            if not self._suspended:
                self._stand.parts["operator"].start()


def _suspend(stand: Stand, recorder: Recorder, alone: Alone, name: str, value: bool) -> None:
    """Suspend or resume a job's Kubernetes Job."""
    if value:
        alone.before_suspending(name)
    say(recorder, f"{'suspend' if value else 'resume'} {name} ({stand.phase(name)})")
    stand.suspend(name, value=value)
    if not value:
        alone.after_resuming(name)


SCRIPTS: dict[str, Script] = {
    "FI-01": kill_operator,
    "FI-04": lose_redis,
    "FI-04b": end_without_redis,
    "FI-05": delete_pod,
    "FI-06": delete_kubernetes_job,
    "FI-07": run_out_of_memory,
    "FI-08": delete_runtimejob,
    "FI-09": suspend_and_resume,
    "FI-20": warm_scripts.kill_operator_at_each_step,
    "FI-21": warm_scripts.kill_operator_at_random,
    "FI-22": warm_scripts.kill_pods,
    "FI-23": warm_scripts.run_two_operators,
    "FI-24": warm_scripts.besiege_ports,
    "FI-25": warm_scripts.fill_the_node,
    "FI-26": pressure_scripts.press_the_node,
    "FI-27": warm_scripts.run_two_operators_with_classes,
    "FI-28": pressure_scripts.reject_pods,
    "FI-29": pressure_scripts.fill_the_quota,
}
"""The scripts by the ids of the fault catalogue."""

OPTIONS: dict[str, dict[str, str]] = {
    **dict.fromkeys(("FI-20", "FI-21", "FI-22", "FI-23", "FI-24"), warm_scripts.OPTIONS),
    "FI-25": warm_scripts.SMALL_NODE,
    **dict.fromkeys(("FI-26", "FI-28"), pressure_scripts.OPTIONS),
    "FI-27": warm_scripts.CLASSES,
    "FI-29": pressure_scripts.QUOTA_OPTIONS,
}
"""The variables of operator and API, where a script needs others than usual."""
