"""The chart installed for several people: by a Secret of hashes, and by an OpenID provider."""

import base64
import json
import socket
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.api.accounts.conftest import TOKENS, describe_accounts
from tests.api.browser.provider import run_provider
from tests.api.conftest import wait_until
from tests.api.ibm.test_official_client import run_client
from tests.charts.conftest import CHART
from tests.chromium import POST_JOB, open_chromium
from tests.cluster.installed import forward

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

API = "app.kubernetes.io/component=api"

SMALL = [
    *("--set=crds.install=false", "--set=jobs.namespace=", "--set=redis.persistence.enabled=false"),
    *("--set=runner.memory=512Mi", "--set=runner.cpuRequest=100m"),
    *("--set=api.resources.requests.cpu=50m", "--set=operator.resources.requests.cpu=50m"),
]
"""A release of a test's own, beside the other one on the one node of a small machine."""

SLEEPS = """
import time

def main(backend, messenger):
    messenger.publish("runs")
    time.sleep(280)
"""
"""A program that runs until it is cancelled."""

TREMBLE = 2.0
"""The seconds that a busy machine takes longer than an idle one."""


@dataclass
class Release:
    """An installed chart, with the address of each of its API pods."""

    tools: object
    namespace: str
    urls: list[str] = field(default_factory=list)

    def kubectl(self, *arguments, stdin=""):
        """Return kubectl's output in its namespace."""
        return self.tools.kubectl("-n", self.namespace, *arguments, stdin=stdin)

    def pods(self):
        """Return the names of the API's pods, with how often their containers were started."""
        found = json.loads(self.kubectl("get", "pods", "-l", API, "-o", "json"))["items"]
        return {
            pod["metadata"]["name"]: pod["status"]["containerStatuses"][0]["restartCount"]
            for pod in found
            if "deletionTimestamp" not in pod["metadata"]
        }

    def ask(self, token, method="GET", path="/jobs", replica=0, **options):
        """Return a replica's answer to a request with a token."""
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{self.urls[replica]}{path}"
        return httpx.request(method, url, headers=headers, timeout=60, trust_env=False, **options)

    def post(self, token, program="hello-quantum", params="{}", replica=0):
        """Return the answer to the post of a job."""
        labels = dict.fromkeys(("hub", "group", "project", "backend"), "")
        body = {"programId": program, **labels, "params": [params]}
        return self.ask(token, "POST", replica=replica, json=body)

    def run(self, token, *arguments, **options):
        """Post a job that is good; returns its id."""
        answer = self.post(token, *arguments, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()["id"]

    def wait_for(self, token, job_id, *statuses, seconds=180):
        """Wait until a job has one of these statuses."""
        wait_until(
            lambda: self.ask(token, path=f"/jobs/{job_id}").json()["status"] in statuses, seconds
        )


@contextmanager
def install(tools, namespace, *settings):
    """The chart with two API pods and these settings, in a namespace that is there."""
    where = [f"--namespace={namespace}"]
    options = [*where, *tools.local_images(), *SMALL, *settings]
    tools.helm("install", "r", str(CHART), *options, "--wait", "--timeout=5m")
    release = Release(tools, namespace)
    pods = sorted(release.pods())
    assert len(pods) == 2
    try:
        with ExitStack() as opened:
            release.urls = [
                opened.enter_context(forward(tools.cluster, namespace, pod)) for pod in pods
            ]
            yield release
    finally:
        tools.run("helm", "uninstall", "r", *where)


def apply_accounts(tools, namespace, tokens):
    """Make or change the Secret of the accounts, as an operator of the installation does."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "people"}}
    secret["stringData"] = {"accounts.yaml": describe_accounts(tokens)}
    tools.kubectl("-n", namespace, "apply", "-f", "-", stdin=json.dumps(secret))


@pytest.fixture(scope="module")
def people(tools):
    """A release with accounts, and limits of an instance."""
    limits = {"maxRunning": 1, "maxQueued": 1, "maxPerSecond": 2}
    with tools.namespace() as namespace:
        apply_accounts(tools, namespace, TOKENS)
        settings = ["--set=auth.mode=accounts", "--set=auth.existingSecret=people"]
        settings += [f"--set=jobs.perInstance.{name}={value}" for name, value in limits.items()]
        with install(tools, namespace, *settings) as release:
            program = {"name": "sleeps", "data": base64.b64encode(SLEEPS.encode()).decode()}
            program |= {"description": "", "is_public": True}
            made = release.ask(TOKENS["alice"], "POST", "/programs", json=program)
            assert made.status_code == 200, made.text
            yield release


def test_a_token_is_needed_and_opens_its_own_instance_alone(people):
    """Of every replica; a job of another instance is not there, in the words of any other id."""
    for replica in range(2):
        for token in ("wrong-token", TOKENS["alice"].upper()):
            assert people.ask(token, replica=replica).status_code == 401
    job_id = people.run(TOKENS["alice"], params='{"greeting": "Hello"}')
    for replica in range(2):
        own = people.ask(TOKENS["alice"], path=f"/jobs/{job_id}", replica=replica)
        assert [own.json()[name] for name in ("hub", "group", "project")] == ["chem", "lab", "vqe"]
        for path in ("", "/results", "/logs"):
            found = [
                people.ask(TOKENS["bob"], path=f"/jobs/{one}{path}", replica=replica)
                for one in (job_id, "no-such-job")
            ]
            assert [one.status_code for one in found] == [404, 404]
            assert found[0].content == found[1].content
    label = ("-l", "qiskit-runtime.dev/instance=chem.lab.vqe")
    assert people.kubectl("get", "rj", *label, "-o", "name").split("/")[1].strip() == job_id
    people.wait_for(TOKENS["alice"], job_id, "Completed")
    for replica in range(2):
        listed = {name: people.ask(TOKENS[name], replica=replica).json() for name in ("ann", "bob")}
        assert [job["id"] for job in listed["ann"]["jobs"]] == [job_id]
        assert listed["bob"] == {"jobs": [], "count": 0, "total": 0}


def test_the_official_client_works_for_each_account(people):
    """Each by its own token: Alice runs a circuit, and for Bob her job is not there."""
    server = SimpleNamespace(port=urlsplit(people.urls[0]).port)
    [counts, job_id] = run_client(
        server,
        """
job = SamplerV2(QiskitRuntimeService().backend("aer_simulator")).run([bell], shots=64)
print(json.dumps([job.result()[0].data.meas.get_counts(), job.job_id()]))
""",
        token=TOKENS["alice"],
        options="--instance chem/lab/vqe",
    )
    assert sum(counts.values()) == 64 and set(counts) <= {"00", "11"}
    found = run_client(
        server,
        f"""
service = QiskitRuntimeService()
print(json.dumps([len(service.jobs()), name_error(lambda: service.job({job_id!r}))[0]]))
""",
        token=TOKENS["bob"],
        options="--instance bio/lab/main",
    )
    assert found == [0, "RuntimeJobNotFound"]


def test_submissions_a_second_are_counted_by_all_replicas_together(people):
    """Two pods let in what one would; 429 says when to try again, and others are not held up."""
    begun = time.monotonic()
    answers = [
        people.post(TOKENS["bob"], "no-such-program", replica=number % 2) for number in range(16)
    ]
    refused = [one for one in answers if one.status_code == 429]
    let_in = len(answers) - len(refused)
    assert let_in <= 2 + 2 * (time.monotonic() - begun)
    assert refused and refused[0].headers["retry-after"] == "1"
    assert "bio/lab/main: at most 2 jobs a second" in refused[0].json()["detail"]
    assert people.post(TOKENS["alice"], "no-such-program").status_code == 404


def test_jobs_of_an_instance_run_and_wait_within_its_limits(people):
    """One runs, one waits, the third is 429; those of another instance run meanwhile."""
    runs = people.run(TOKENS["alice"], "sleeps")
    people.wait_for(TOKENS["alice"], runs, "Running")
    time.sleep(1)
    waits = people.run(TOKENS["ann"], "sleeps", replica=1)
    time.sleep(1)
    for replica in range(2):
        full = people.post(TOKENS["alice"], "sleeps", replica=replica)
        assert full.status_code == 429 and full.headers["retry-after"] == "60"
        assert "1 jobs are queued, and at most 1 may be" in full.json()["detail"]
        time.sleep(1)
    bobs = people.run(TOKENS["bob"], params='{"greeting": "Hello"}')
    people.wait_for(TOKENS["bob"], bobs, "Completed")
    assert people.ask(TOKENS["ann"], path=f"/jobs/{waits}").json()["status"] == "Queued"
    for job_id in (waits, runs):
        people.ask(TOKENS["alice"], "POST", f"/jobs/{job_id}/cancel")


def test_a_changed_secret_counts_without_a_restart(people, tools):
    """A token is replaced: the new one opens, the old one does not, and its websocket ends."""
    before = people.pods()
    job_id = people.run(TOKENS["alice"], "sleeps")
    stream = f"{people.urls[0].replace('http', 'ws', 1)}/stream/jobs/{job_id}"
    old = {"Authorization": f"Bearer {TOKENS['alice']}"}
    with connect(stream, additional_headers=old, proxy=None) as websocket:
        assert websocket.recv(timeout=180) == '"runs"'
        new = "new-token-of-alice-on-the-cluster"
        apply_accounts(tools, people.namespace, TOKENS | {"alice": new})
        for replica in range(2):
            wait_until(lambda r=replica: people.ask(new, replica=r).status_code == 200, 180)
            gone = time.monotonic() + TREMBLE
            wait_until(
                lambda r=replica: people.ask(TOKENS["alice"], replica=r).status_code == 401,
                gone - time.monotonic(),
            )
        with pytest.raises(ConnectionClosed) as closed:
            websocket.recv(timeout=30)
        assert closed.value.rcvd.code == 1008
    assert people.ask(new, path=f"/jobs/{job_id}").json()["status"] == "Running"
    assert people.ask(TOKENS["bob"]).status_code == 200
    assert people.pods() == before
    people.ask(new, "POST", f"/jobs/{job_id}/cancel")


def test_the_charts_own_test_needs_no_account(people, tools):
    """`helm test` sees that the API is ready and asks for a token."""
    output = tools.helm("test", "r", f"--namespace={people.namespace}", "--timeout=3m")
    assert "Succeeded" in output


CLIENT = "qiskit-runtime"

LIFE, LEEWAY = 5, 30
"""The seconds of the provider's tokens, and by how much its clock may be another."""


def find_address(tools):
    """Return the address of this machine by which the cluster's node, and its pods, reach it."""
    path = "{.items[0].status.addresses[?(@.type=='InternalIP')].address}"
    node = tools.kubectl("get", "nodes", "-o", f"jsonpath={path}")
    # Nothing is sent: the system says which of its addresses it would take.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((node, 9))
        return probe.getsockname()[0]


@pytest.fixture(scope="module")
def openid(tools):
    """An OpenID provider on this machine, and a release that trusts it, with a client there."""
    with (
        run_provider(find_address(tools), f"--token-max-age={LIFE}") as provider,
        tools.namespace() as namespace,
    ):
        secret = ("create", "secret", "generic", "client", "--from-literal=client-secret=any")
        tools.kubectl("-n", namespace, *secret)
        oidc = {"issuer": provider.issuer, "audience": ["runtime"], "clientId": CLIENT}
        oidc["clientSecret"] = "client"
        settings = ["--set=auth.mode=oidc", f"--set-json=auth.oidc={json.dumps(oidc)}"]
        with install(tools, namespace, *settings) as release:
            yield release, provider


def test_a_token_of_the_provider_opens_until_it_expires(openid):
    """Pods fetch the keys by themselves; wrong, foreign and expired tokens are refused at once."""
    release, provider = openid
    token = provider.issue("runtime")
    issued = time.time()
    for replica in range(2):
        assert release.ask(token, replica=replica).status_code == 200
        assert release.ask(token[:-4] + "AAAA", replica=replica).status_code == 401
        other = provider.issue("another-app")
        assert release.ask(other, replica=replica).status_code == 401
        nobody = release.ask(provider.issue("runtime", "mallory"), replica=replica)
        assert nobody.status_code == 403 and "names no instance" in nobody.json()["detail"]
    job_id = release.run(token, params='{"greeting": "Hello"}')
    time.sleep(max(0, issued + LIFE + LEEWAY + 2 - time.time()))
    for replica in range(2):
        begun = time.monotonic()
        assert release.ask(token, replica=replica).status_code == 401
        assert time.monotonic() - begun < TREMBLE
    job = release.ask(provider.issue("runtime"), path=f"/jobs/{job_id}").json()
    assert [job[name] for name in ("hub", "group", "project")] == ["lab", "optics", "bell"]


def test_the_official_client_exchanges_a_token_of_the_provider(openid):
    """As its API key; when that has expired it fails in words, and not after a minute."""
    release, provider = openid
    server = SimpleNamespace(port=urlsplit(release.urls[1]).port)
    seconds, jobs, error = run_client(
        server,
        f"""
service = QiskitRuntimeService()
jobs = len(service.jobs())
time.sleep({LIFE + LEEWAY + 2})
begun = time.monotonic()
error = name_error(lambda: service.jobs())
print(json.dumps([time.monotonic() - begun, jobs, error]))
""",
        token=provider.issue("runtime"),
        options="--instance lab/optics/bell",
    )
    assert jobs >= 0 and error[0] == "IBMNotAuthorizedError"
    assert "has expired, or was withdrawn" in error[1]
    assert seconds < TREMBLE


def test_a_person_logs_in_at_the_provider_in_a_browser(openid):
    """From /docs to the provider and back; the session outlives the provider's short token."""
    release, provider = openid
    with open_chromium() as chromium:
        context = chromium.new_context(base_url=release.urls[0])
        page = context.new_page()
        page.goto("/docs")
        page.get_by_role("button", name=f"Log in at {urlsplit(provider.issuer).netloc}").click()
        page.get_by_role("button", name="alice").click()
        page.wait_for_url("**/docs")
        [session] = context.cookies(release.urls[0])
        assert session["httpOnly"] and session["sameSite"] == "Strict"
        labels = dict.fromkeys(("hub", "group", "project", "backend"), "")
        body = {"programId": "hello-quantum", **labels, "params": ['{"greeting": "Hello"}']}
        job_id = page.evaluate(POST_JOB, body)["id"]
        page.goto(f"/jobs/{job_id}")
        assert '"project":"bell"' in page.content()
        context.close()
