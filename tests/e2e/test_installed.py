"""The installed chart, the ways that the README shows: REST, websocket and kubectl see one job."""

import json
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from tests.api.conftest import wait_until
from tests.cluster.installed import make_name
from tests.cluster.target import RELEASE

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]

SLOW = """
import time

def main(backend, messenger, **params):
    for number in range(5):
        print("round", number)
        messenger.publish({"number": number})
        time.sleep(1)
    return {"rounds": 5}
"""


@pytest.fixture(scope="module")
def slow(installed):
    """A program that runs for five seconds, and says so each second."""
    return installed.install_program(SLOW)


def test_posted_job_is_seen_by_kubectl_and_its_result_is_on_the_status(installed):
    """A job from REST is a RuntimeJob; both tell the same end: a bell pair's counts."""
    name = installed.post("hello-quantum", {"greeting": "Hello"})
    status = installed.wait(name)["status"]
    assert status["phase"] == "Completed"
    counts = json.loads(status["result"])
    assert set(counts) <= {"00 00", "11 00"} and sum(counts.values()) == 1024
    assert installed.job(name)["status"] == "Completed"
    assert installed.http.get(f"/jobs/{name}/results").json() == status["result"]
    # The drawing of the circuit, as it was printed.
    assert "┤ H ├" in installed.http.get(f"/jobs/{name}/logs").json()
    assert status["versions"]["qiskit"] and status["usage"]["peakMemoryBytes"] > 10 << 20


def test_applied_job_is_seen_over_rest_and_websocket(installed):
    """A client of REST finds the job that `kubectl apply` makes, and receives its frames."""
    name = make_name()
    params = json.dumps({"greeting": "from kubectl"})
    installed.apply("RuntimeJob", name, {"programId": "hello-quantum", "params": params})
    frames = [json.loads(frame) for _, frame in installed.listen(name)]
    assert frames[0] == "from kubectl" and sum(frames[-1].values()) == 1024
    assert installed.job(name)["params"] == [params]


def test_first_frame_comes_long_before_the_end(installed, slow):
    """A listener receives frames while the program runs: the first at least 2 s before the last."""
    name = installed.submit(slow)
    frames = list(installed.listen(name))
    assert [json.loads(text).get("number") for _, text in frames[:-1]] == [0, 1, 2, 3, 4]
    assert frames[-1][0] - frames[0][0] > 2
    assert json.loads(frames[-1][1]) == {"rounds": 5}


def test_late_listener_gets_everything(installed, slow):
    """Listeners that come in the middle or after the end get every frame from the first on."""
    name = installed.submit(slow)
    early = installed.listen(name)
    heard = [next(early)[1] for _ in range(3)]
    middle = [text for _, text in installed.listen(name)]
    heard += [text for _, text in early]
    late = [text for _, text in installed.listen(name)]
    assert heard == middle == late and len(late) == 6


def test_status_is_final_when_the_stream_closes(installed):
    """A client that has received the end can read it, at either replica."""
    name = installed.post("hello-quantum", {"greeting": 1})
    list(installed.listen(name))
    for _ in range(10):
        assert installed.job(name)["status"] == "Completed"


def test_both_replicas_serve_the_same_jobs(installed):
    """Two API pods are there; each knows a job that the other took, and streams it."""
    pods = json.loads(
        installed.kubectl(
            "-n", RELEASE, "get", "pods", "-l", "app.kubernetes.io/component=api", "-o", "json"
        )
    )["items"]
    names = [pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    assert len(names) == 2
    jobs = {}
    for pod in names:
        with installed.forward(pod) as client:
            body = {"programId": "hello-quantum", "hub": "h", "group": "g", "project": "p"}
            body |= {"backend": "aer_simulator", "params": ['{"greeting": "Hi"}']}
            jobs[pod] = client.post("/jobs", json=body).json()["id"]
    for pod in names:
        with installed.forward(pod) as client:
            for name in jobs.values():
                installed.wait(name)
                assert client.get(f"/jobs/{name}/results").json()
            url = str(client.base_url).rstrip("/")
            assert len(list(installed.listen(jobs[names[0]], url))) == 2


def test_idempotency_key_makes_one_job_of_two_posts(installed):
    """A POST that is sent again, to whichever replica, is the same job."""
    headers = {"Idempotency-Key": make_name()}
    names = {installed.post("hello-quantum", {"greeting": 1}, headers=headers) for _ in range(4)}
    assert len(names) == 1


def test_everything_is_readable_after_pod_job_and_redis_are_gone(installed, slow):
    """Logs, results and the stream's replay need neither the pod nor the Job nor Redis."""
    name = installed.submit(slow)
    live = [text for _, text in installed.listen(name)]
    logs = installed.http.get(f"/jobs/{name}/logs").json()
    job = installed.wait(name)["status"]["jobName"]
    installed.kubectl("delete", "job", job, "--cascade=foreground")
    assert installed.kubectl("get", "pods", "-l", f"qiskit-runtime.dev/runtimejob={name}") == ""
    redis = f"{RELEASE}-redis-0"
    script = 'REDISCLI_AUTH="$REDIS_PASSWORD" redis-cli flushall'
    installed.kubectl("-n", RELEASE, "exec", redis, "--", "sh", "-c", script)
    installed.kubectl("-n", RELEASE, "delete", "pod", redis, "--wait=false")
    assert [text for _, text in installed.listen(name)] == live
    assert installed.http.get(f"/jobs/{name}/logs").json() == logs
    assert json.loads(installed.http.get(f"/jobs/{name}/results").json()) == {"rounds": 5}
    installed.kubectl(
        "-n", RELEASE, "wait", "--for=condition=Ready", f"pod/{redis}", "--timeout=60s"
    )
    # The API's connections break off and come again: a later listener gets its frames in time.
    time.sleep(10)
    frames = list(installed.listen(installed.submit(slow)))
    assert len(frames) == 6 and frames[-1][0] - frames[0][0] > 2


def test_deleted_job_leaves_nothing(installed):
    """After DELETE neither the resource nor Job, pod or Secret of it is there."""
    name = installed.post("hello-quantum", {"greeting": "secret words"})
    installed.wait(name)
    assert installed.http.delete(f"/jobs/{name}").status_code == 204
    assert installed.http.get(f"/jobs/{name}").status_code == 404
    until = time.monotonic() + 60
    while left := installed.kubectl("get", "rj,jobs,pods,secrets", "-o", "name"):
        left = [line for line in left.splitlines() if name in line]
        if not left:
            return
        assert time.monotonic() < until, left
        time.sleep(0.5)


@pytest.mark.parametrize("example", ["bell", "bell-params-secret", "noisy-backend", "own-program"])
def test_example_runs(installed, example):
    """Each example does what its comment says, word by word, and can be applied again."""
    path = ROOT / "k8s" / "examples" / f"{example}.yaml"
    kinds = [document["kind"] for document in yaml.safe_load_all(path.read_text())]
    name = next(
        document["metadata"]["name"]
        for document in yaml.safe_load_all(path.read_text())
        if document["kind"] == "RuntimeJob"
    )
    installed.kubectl("delete", "-f", str(path), "--ignore-not-found")
    assert installed.kubectl("apply", "-f", str(path)).count("created") == len(kinds)
    assert f"kubectl wait --for=condition=Completed rj/{name}" in path.read_text()
    installed.kubectl("wait", "--for=condition=Completed", f"rj/{name}", "--timeout=120s")
    assert json.loads(installed.kubectl("get", "rj", name, "-o", "jsonpath={.status.result}"))
    assert "unchanged" in installed.kubectl("apply", "-f", str(path))


def test_kubectl_tells_the_story(installed):
    """Columns, short names, the category and explain are what a person at a terminal needs."""
    name = make_name()
    installed.apply("RuntimeJob", name, {"programId": "hello-quantum", "params": '{"greeting": 1}'})
    installed.wait(name)
    header, row = installed.kubectl("get", "rj", name).splitlines()
    assert header.split() == ["NAME", "PROGRAM", "BACKEND", "PHASE", "REASON", "DURATION", "AGE"]
    assert row.split()[:4] == [name, "hello-quantum", "aer_simulator", "Completed"]
    assert {"POD", "PROJECT", "TAGS"} <= set(
        installed.kubectl("get", "rj", name, "-o", "wide").splitlines()[0].split()
    )
    assert name in installed.kubectl("get", "qiskit")
    assert "device" in installed.kubectl("explain", "rj.spec.backend").lower()

    def tells_all():
        told = installed.kubectl("describe", "rj", name)
        return all(word in told for word in ("Running", "Completed", "Events:"))

    # Events are written after the status.
    wait_until(tells_all)


def test_failed_program_shows_its_line(installed):
    """REST and kubectl describe name the line of a mistake in a user's program."""
    program = installed.install_program("def main(backend, messenger):\n    return 1 / 0\n")
    name = installed.submit(program)
    status = installed.wait(name)["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "ProgramError")
    logs = installed.http.get(f"/jobs/{name}/logs").json()
    assert "line 2, in main" in logs and "return 1 / 0" in logs
    file = program.replace("-", "_") + ".py"
    message = f"ZeroDivisionError: division by zero ({file}, line 2: return 1 / 0)"
    assert message in installed.kubectl("describe", "rj", name)
    assert installed.job(name)["message"] == message


def test_cancel_over_rest_and_by_kubectl_patch(installed):
    """Both ways end a running program at once; what it had published stays readable."""
    program = installed.install_program(
        "import time\ndef main(backend, messenger):\n"
        "    messenger.publish('runs')\n    time.sleep(600)\n"
    )
    for cancel in (
        lambda name: installed.http.post(f"/jobs/{name}/cancel"),
        lambda name: installed.kubectl(
            "patch", "rj", name, "--type=merge", "-p", '{"spec":{"cancelRequested":true}}'
        ),
    ):
        name = installed.submit(program)
        frames = installed.listen(name)
        assert next(frames)[1] == '"runs"'
        cancel(name)
        assert list(frames) == []
        status = installed.wait(name)["status"]
        assert (status["phase"], status["reason"]) == ("Cancelled", "CancelledByUser")
        assert [text for _, text in installed.listen(name)] == ['"runs"']


def wait_for_termination(installed, pod):
    """Return a container's termination message, which comes about a second after the job's end."""
    until = time.monotonic() + 30
    while True:
        state = installed.get("pod", pod)["status"]["containerStatuses"][0]["state"]
        if "terminated" in state:
            return state["terminated"]["message"]
        assert time.monotonic() < until, state
        time.sleep(0.2)


def test_tail_of_a_burst_is_never_lost(installed):
    """A program that ends in a burst of lines has them all in its log, ten times of ten."""
    program = installed.install_program(
        "def main(backend, messenger):\n"
        "    for number in range(20000):\n        print('line', number, 'x' * 60)\n    return 1\n"
    )
    names = [installed.submit(program) for _ in range(10)]
    for name in names:
        status = installed.wait(name)["status"]
        assert status["phase"] == "Completed" and status["record"]["complete"], status
        pod = installed.kubectl("logs", f"job/{status['jobName']}")
        last = [line for line in pod.splitlines() if line]
        assert last[-1].lstrip("\x1e").startswith("v "), last[-1][:80]
        message = wait_for_termination(installed, status["podName"])
        assert json.loads(message)["outcome"] == "Succeeded"


def test_posts_while_redis_is_lost_meet_no_bad_gateway(installed):
    """Through the ingress, over connections that rest for seconds: each POST makes its job."""
    redis = ("pod", "-l", "app.kubernetes.io/component=redis")
    installed.kubectl("-n", RELEASE, "delete", *redis, "--wait=false")
    body = {"programId": "hello-quantum", "params": [json.dumps({"greeting": "Hi"})]}
    body |= dict.fromkeys(("hub", "group", "project", "backend"), "")

    def post_now_and_then(gap: float) -> list[int]:
        codes = []
        for number in range(4):
            # Around five seconds, uvicorn's default before it closes: the ingress may be sending.
            time.sleep(gap if number else 0)
            codes.append(installed.http.post("/jobs", json=body).status_code)
        return codes

    gaps = [4.9 + 0.02 * number for number in range(8)]
    with ThreadPoolExecutor(len(gaps)) as pool:
        codes = list(pool.map(post_now_and_then, gaps))
    assert codes == [[200] * 4] * len(gaps)


def test_wrong_token_is_refused_everywhere(installed):
    """The ingress lets nobody in without the token; probes say nothing of jobs."""
    for headers in ({"Authorization": "Bearer wrong"}, {"Authorization": ""}):
        assert installed.http.get("/jobs", headers=headers).status_code == 401
    assert installed.http.get("/readyz", headers={"Authorization": ""}).status_code == 200


def test_helm_test_passes(installed):
    """`helm test` runs a bell job through the installation."""
    done = subprocess.run(
        [installed.cluster.helm, "-n", RELEASE, "test", RELEASE, "--timeout", "2m"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and "Succeeded" in done.stdout, done.stdout + done.stderr
