"""The faults of pods that are started ahead: operator, pod or node fail at each step of a claim.

``OPTIONS`` are the variables of a stand with a pool; ``scripts`` puts them beside the others.
"""

import json
import random
import socket
import time
from contextlib import suppress

from kubernetes.client.exceptions import ApiException

from qiskit_runtime.contract.resources.resource import JOB_LABEL, WARM_LABEL
from qiskit_runtime.contract.wire.handover import HANDOVER_PORT, HELLO
from tests.cluster.stand import Stand, wait_until
from tests.faults import steps
from tests.faults.recorder import Recorder
from tests.faults.steps import say, wait_for_end

JOBS = 12
FRAMES = 20
IDLE = f"{WARM_LABEL},{JOB_LABEL}="
OPTIONS = {
    "RUNTIME_WARM_POOL_SIZE": "3",
    "RUNTIME_WARM_POOL_MAX_SIZE": "5",
    "RUNTIME_WARM_POOL_KEY": "of these tests alone",
}
"""A pool of three pods."""

SMALL_NODE = OPTIONS | {"RUNTIME_RUNNER_CPU_REQUEST": "450m", "RUNTIME_WARM_POOL_MAX_SIZE": "8"}
"""The same, where the node has room for a few pods alone."""

LARGE_MEMORY = "640Mi"
CLASSES = OPTIONS | {
    "RUNTIME_RUNNER_CLASSES": json.dumps({"large": {"memory": LARGE_MEMORY}}),
    "RUNTIME_WARM_POOL_SIZE": "2",
    "RUNTIME_WARM_POOL_MAX_SIZE": "3",
    "RUNTIME_WARM_POOL_CLASSES": json.dumps({"large": {"size": 2, "maxSize": 3}}),
}
"""A pool of pods of no class, and one of a class."""

DIES = """
import os
from pathlib import Path
from controller.claims import Claimer
from controller.cluster import JobCluster
from controller.handover import Handover
def die_at(owner, name, after):
    known = getattr(owner, name)
    async def die(*arguments):
        answer = await known(*arguments) if after else None
        Path(os.environ["DIED"]).touch()
        os._exit(9)
        return answer
    setattr(owner, name, die)
die_at({place}, {name!r}, {after})
"""
"""An operator that ends at once at one step of its first claim."""

STEPS = {
    "before the claim": ("JobCluster", "claim_job", False),
    "after the claim": ("JobCluster", "claim_job", True),
    "after the Secret": ("Handover", "give", False),
    "after the hand-over": ("Handover", "give", True),
    "before Running": ("JobCluster", "write_status", False),
}


def wait_for_pool(stand: Stand, number: int, seconds: float = 120.0) -> None:
    """Return when so many pods wait for a job."""

    def are_ready() -> bool:
        return sum(map(is_ready, find_idle_pods(stand))) >= number

    wait_until(are_ready, seconds, f"{number} pods wait for a job")


def submit(stand: Stand, recorder: Recorder, name: str) -> None:
    """A short counting job, and who listens to it."""
    steps.submit(stand, recorder, name, FRAMES)


def wait_for_ends(stand: Stand, recorder: Recorder, seconds: float = 240.0) -> set[tuple[str, str]]:
    """Return the phases and reasons of all jobs, once they have ended and all listeners know."""
    wait_for_end(stand, recorder, seconds)
    statuses = [job["status"] for job in stand.jobs().values()]
    return {(status["phase"], status.get("reason", "")) for status in statuses}


def kill_operator_at_each_step(stand: Stand, recorder: Recorder) -> None:
    """FI-20: the operator ends at each step of a claim; the next one goes on, and the job runs."""
    stand.parts["operator"].kill()
    claims = 0
    for number, (step, (place, name, after)) in enumerate(STEPS.items()):
        died = stand.folder / f"died-{number}"
        script = DIES.format(place=place, name=name, after=after)
        # What fills the pool is an operator as it is.
        stand.parts["operator"].start()
        wait_for_pool(stand, 1)
        stand.parts["operator"].kill()
        dying = stand.start_operator(f"dying-{number}", script, DIED=str(died), **OPTIONS)
        submit(stand, recorder, f"fi20-{number}")
        wait_until(died.exists, 120, f"the operator has ended {step}")
        dying.kill()
        say(recorder, f"the operator has ended {step}")
        stand.parts["operator"].start()
        status = stand.wait_for(f"fi20-{number}", "Completed", "Failed", seconds=120)["status"]
        assert status["phase"] == "Completed", (step, status)
        claims += status["jobName"].startswith("warm-")
        stand.parts["operator"].kill()
    stand.parts["operator"].start()
    assert wait_for_ends(stand, recorder) == {("Completed", "")}
    assert claims == len(STEPS), claims


def kill_operator_at_random(stand: Stand, recorder: Recorder) -> None:
    """FI-21: the operator is killed five times, at random, while jobs claim pods."""
    wait_for_pool(stand, 3)
    operator, moments = stand.parts["operator"], random.Random(21)
    for number in range(JOBS):
        submit(stand, recorder, f"fi21-{number}")
    for _ in range(5):
        time.sleep(moments.uniform(0.2, 4))
        say(recorder, "kill -9 of the operator")
        operator.kill()
        time.sleep(moments.uniform(0, 1))
        operator.start()
    assert wait_for_ends(stand, recorder) == {("Completed", "")}


def kill_pods(stand: Stand, recorder: Recorder) -> None:
    """FI-22: pods are deleted while they wait, and while jobs claim them."""
    wait_for_pool(stand, 3)
    moments = random.Random(22)
    for number in range(JOBS):
        submit(stand, recorder, f"fi22-{number}")
        time.sleep(moments.uniform(0, 0.5))
        # On a busy machine none may wait just now.
        if number % 2 and (idle := find_idle_pods(stand)):
            pod, grace = moments.choice(idle), moments.choice((0, 30))
            say(recorder, f"delete the pod {pod.metadata.name}, grace {grace} s")
            with suppress(ApiException):
                stand.core.delete_namespaced_pod(
                    pod.metadata.name, stand.namespace, grace_period_seconds=grace
                )
    # A pod that has taken a job by then is one that runs.
    ends = wait_for_ends(stand, recorder)
    assert ends <= {("Completed", ""), ("Failed", "Interrupted")}, ends
    assert ("Completed", "") in ends


def run_two_operators(stand: Stand, recorder: Recorder) -> None:
    """FI-23: two operators claim pods for the same jobs, from the same pool."""
    stand.start_operator("second", **OPTIONS)
    wait_for_pool(stand, 3)
    for number in range(JOBS):
        submit(stand, recorder, f"fi23-{number}")
        time.sleep(0.3)
    assert wait_for_ends(stand, recorder) == {("Completed", "")}


def run_two_operators_with_classes(stand: Stand, recorder: Recorder) -> None:
    """FI-27: two operators fill the pools of two classes, and claim pods for jobs of both."""
    recorder.history.bounds = {"": 3, "large": 3}
    stand.start_operator("second", **CLASSES)
    stand._create("runtimebackends", "RuntimeBackend", "big", {"resourceClass": "large"})
    stand._create("runtimebackends", "RuntimeBackend", "small", {})
    wait_for_pool(stand, 4)
    wanted = {"big": LARGE_MEMORY, "small": "512Mi"}
    for number in range(JOBS):
        for backend in wanted:
            steps.submit(stand, recorder, f"fi27-{backend}-{number}", FRAMES, backend=backend)
        time.sleep(0.4)
    assert wait_for_ends(stand, recorder) == {("Completed", "")}
    warm = 0
    for job in stand.jobs().values():
        pod = stand.core.read_namespaced_pod(job["status"]["podName"], stand.namespace)
        memory = pod.spec.containers[0].resources.limits["memory"]
        assert memory == wanted[job["spec"]["backend"]], job
        warm += job["status"]["jobName"].startswith("warm-")
    say(recorder, f"{warm} of {2 * JOBS} jobs had pods that were started ahead")
    assert warm >= len(wanted), warm
    wait_for_pool(stand, 4)


def besiege_ports(stand: Stand, recorder: Recorder) -> None:
    """FI-24: strangers hold connections to the pods' ports, and send what is no hand-over."""
    wait_for_pool(stand, 3)
    addresses = [pod.status.pod_ip for pod in find_idle_pods(stand)]
    strangers = []
    for address in addresses * 12:
        with suppress(OSError):
            stranger = socket.create_connection((address, HANDOVER_PORT), timeout=2)
            stranger.sendall(random.choice((b"GET / HTTP/1.1\r\n", HELLO, HELLO + bytes(64))))
            strangers.append(stranger)
    say(recorder, f"{len(strangers)} connections to {len(addresses)} pods")
    assert strangers, "the pods are not reached from here"
    for number in range(3):
        submit(stand, recorder, f"fi24-{number}")
    assert wait_for_ends(stand, recorder) == {("Completed", "")}
    names = [job["status"]["jobName"] for job in stand.jobs().values()]
    assert all(name.startswith("warm-") for name in names), names
    for stranger in strangers:
        stranger.close()


def fill_the_node(stand: Stand, recorder: Recorder) -> None:
    """FI-25: the pool holds the node: jobs get its room, and none waits for a pod that waits."""
    wait_for_pool(stand, 1)
    for number in range(10):
        submit(stand, recorder, f"fi25-{number}")
    say(recorder, "ten jobs, for a few of which there is room")
    assert wait_for_ends(stand, recorder, seconds=300) == {("Completed", "")}
    wait_for_pool(stand, 1)


def find_idle_pods(stand: Stand) -> list:
    """Return the pods of the Jobs that nobody has claimed."""
    jobs = stand.batch.list_namespaced_job(stand.namespace, label_selector=IDLE).items
    names = {job.metadata.name for job in jobs}
    pods = stand.core.list_namespaced_pod(stand.namespace, label_selector=WARM_LABEL).items
    return [pod for pod in pods if pod.metadata.labels["job-name"] in names]


def is_ready(pod) -> bool:
    """Return whether a pod's runner waits on its port."""
    containers = pod.status.container_statuses or ()
    return not pod.metadata.deletion_timestamp and any(one.ready for one in containers)
