"""Reads after writes, over the ingress: each request may go to another replica of the API.

Jobs wait behind one that runs, so that they cost no pod. The same with watches that are held back,
and with a Redis that lost what it knew, is in ``tests/jobstore/kubernetes/test_two_servers.py``.
"""

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.cluster.installed import make_name
from tests.cluster.target import RELEASE

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

PAIRS = 250
"""The pairs of each kind, for each number of replicas: 500 of each in all."""
PAIRS_WITHOUT_REDIS = 48
"""Fewer, because each of them costs calls of Kubernetes: three for each client."""
CLIENTS = 16
OPERATOR = f"deployment/{RELEASE}-operator"
API = f"deployment/{RELEASE}-api"
ONE, TWO = (b"def main(backend, messenger):\n    return %d\n" % number for number in (1, 2))
SLEEP = "import time\ndef main(backend, messenger):\n    time.sleep(3600)\n"


def operate(installed, *arguments):
    """Return kubectl's output, in the release's namespace."""
    return installed.kubectl("-n", RELEASE, *arguments)


@contextmanager
def one_job_at_a_time(installed):
    """The operator's gate, and a job that fills it."""
    settings = json.loads(operate(installed, "get", OPERATOR, "-o", "json"))
    before = {
        one["name"]: one.get("value")
        for one in settings["spec"]["template"]["spec"]["containers"][0]["env"]
    }

    def allow(count):
        operate(installed, "set", "env", OPERATOR, f"RUNTIME_MAX_RUNNING_JOBS={count}")
        operate(installed, "rollout", "status", OPERATOR, "--timeout=120s")

    allow(1)
    running = make_name()
    spec = {"programId": installed.install_program(SLEEP), "maxExecutionSeconds": 3600}
    installed.apply("RuntimeJob", running, spec | {"params": "{}"})
    installed.wait(running, "Running")
    try:
        yield
    finally:
        installed.http.post(f"/jobs/{running}/cancel")
        installed.wait(running)
        allow(before["RUNTIME_MAX_RUNNING_JOBS"])


@pytest.fixture(scope="module")
def waiting(installed):
    """The release, where jobs that are posted stay Queued; afterwards it has two replicas again."""
    with one_job_at_a_time(installed):
        yield installed
    scale(installed, 2)


def scale(installed, replicas):
    """Scale to this many replicas, all of which get requests."""
    operate(installed, "scale", API, f"--replicas={replicas}")
    operate(installed, "rollout", "status", API, "--timeout=120s")
    pods = ["get", "pods", "-l", "app.kubernetes.io/component=api", "-o", "name"]
    until = time.monotonic() + 60
    while len(operate(installed, *pods).splitlines()) != replicas:
        assert time.monotonic() < until
        time.sleep(0.5)


def run_pairs(installed, pair, count):
    """Do so many of them, a few at once; each client's requests go to the replicas by turns."""
    headers = {"Authorization": f"Bearer {installed.token}"}

    def work(number):
        with PatientClient(base_url=installed.url, headers=headers, timeout=60) as client:
            for turn in range(number, count, CLIENTS):
                pair(client, turn)

    with ThreadPoolExecutor(CLIENTS) as pool:
        for _ in pool.map(work, range(CLIENTS)):
            pass


class PatientClient(httpx.Client):
    """A client that asks again where the API answers 503: a slow Kubernetes is no stale read."""

    def request(self, *arguments, **options):
        """Return the first other answer; its extension ``repeated`` tells of a 503 before it."""
        until, repeated = time.monotonic() + 120, False
        while (answer := super().request(*arguments, **options)).status_code == 503:
            assert time.monotonic() < until, f"{answer.request.url}: {answer.text}"
            repeated = True
            time.sleep(1)
        answer.extensions["repeated"] = repeated
        return answer


def expect(answer, code):
    """Return the answer, which must have this status code.

    A DELETE that was repeated may find that the one before it did it: 404 is as good as 204.
    """
    repeated = answer.extensions["repeated"] and answer.request.method == "DELETE"
    codes = (204, 404) if repeated else (code,)
    assert answer.status_code in codes, f"{answer.request.url}: {answer.status_code} {answer.text}"
    return answer


def list_tagged(client, tag, *, pending):
    """Return the statuses of the jobs with this tag by their ids; the total must agree."""
    found = expect(client.get("/jobs", params={"tags": tag, "pending": pending}), 200).json()
    assert found["total"] == found["count"] == len(found["jobs"])
    return {job["id"]: job["status"] for job in found["jobs"]}


def live_a_jobs_life(client, _):
    """POST, cancel and DELETE, each followed by reads of every kind."""
    tag = make_name()
    body = {"programId": "hello-quantum", "hub": "h", "group": "g", "project": "p", "tags": [tag]}
    body |= {"backend": "aer_simulator", "params": ["{}"]}
    headers = {"Idempotency-Key": tag}
    name = expect(client.post("/jobs", json=body, headers=headers), 200).json()["id"]
    assert expect(client.get(f"/jobs/{name}"), 200).json()["status"] == "Queued"
    assert list_tagged(client, tag, pending=True) == {name: "Queued"}
    assert expect(client.post("/jobs", json=body, headers=headers), 200).json()["id"] == name

    expect(client.post(f"/jobs/{name}/cancel"), 204)
    seen = []
    while seen.count("Cancelled") < 4:
        seen.append(expect(client.get(f"/jobs/{name}"), 200).json()["status"])
        assert len(seen) < 3000
        time.sleep(0.02)
    assert "Queued" not in seen[seen.index("Cancelled") :], seen
    assert list_tagged(client, tag, pending=False) == {name: "Cancelled"}

    expect(client.delete(f"/jobs/{name}"), 204)
    for path in ("", "/logs", "/results"):
        expect(client.get(f"/jobs/{name}{path}"), 404)
    assert list_tagged(client, tag, pending=False) == {}
    expect(client.delete(f"/jobs/{name}"), 404)


def live_a_programs_life(client, _):
    """POST, PUT, PATCH and DELETE, each followed by reads of every kind."""
    name = make_name()
    source = {"name": name, "data": base64.b64encode(ONE).decode()}
    expect(client.post("/programs", json=source), 200)
    listed = {"name": name}
    assert client.get("/programs", params=listed).json()["count"] == 1
    assert expect(client.get(f"/programs/{name}"), 200).json()["version"] == "1"

    octets = {"Content-Type": "application/octet-stream"}
    expect(client.put(f"/programs/{name}/data", content=TWO, headers=octets), 200)
    [found] = client.get("/programs", params=listed).json()["programs"]
    assert found["version"] == "2"
    assert expect(client.get(f"/programs/{name}/data"), 200).content == TWO

    expect(client.patch(f"/programs/{name}", json={"description": "new"}), 200)
    [found] = client.get("/programs", params=listed).json()["programs"]
    assert found["description"] == "new"

    expect(client.delete(f"/programs/{name}"), 204)
    assert client.get("/programs", params=listed).json()["count"] == 0
    expect(client.get(f"/programs/{name}"), 404)
    body = {"programId": name, "hub": "h", "group": "g", "project": "p"}
    expect(client.post("/jobs", json=body | {"backend": "", "params": ["{}"]}), 404)


LIVES = [live_a_jobs_life, live_a_programs_life]


@pytest.mark.parametrize("replicas", [3, 2])
@pytest.mark.parametrize("life", LIVES)
def test_every_read_sees_every_write_before_it(waiting, life, replicas):
    """Five hundred pairs of each kind in all, and no read returns the state before the write."""
    scale(waiting, replicas)
    run_pairs(waiting, life, PAIRS)


def test_stream_of_a_deleted_job_is_refused_at_every_replica(waiting):
    """A websocket is a read as well: after DELETE it is refused with 404."""
    name = waiting.post("hello-quantum", {})
    assert waiting.http.post(f"/jobs/{name}/cancel").status_code == 204
    waiting.wait(name)
    assert list(waiting.listen(name)) == []
    assert waiting.http.delete(f"/jobs/{name}").status_code == 204
    for _ in range(4):
        with pytest.raises(InvalidStatus, match="404"):
            list(waiting.listen(name))


def test_without_redis_every_read_still_sees_every_write(waiting):
    """Replicas that can't notify each other ask Kubernetes."""
    redis = f"statefulset/{RELEASE}-redis"
    operate(waiting, "scale", redis, "--replicas=0")
    try:
        with suppress(AssertionError):
            operate(waiting, "wait", "--for=delete", f"pod/{RELEASE}-redis-0", "--timeout=60s")
        for life in LIVES:
            run_pairs(waiting, life, PAIRS_WITHOUT_REDIS)
    finally:
        operate(waiting, "scale", redis, "--replicas=1")
        operate(waiting, "rollout", "status", redis, "--timeout=120s")
    for life in LIVES:
        run_pairs(waiting, life, CLIENTS)
