"""The chart installed for several people, who are in a Secret of hashes."""

import base64
import json
import time
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.api.accounts.conftest import TOKENS, describe_accounts
from tests.api.conftest import wait_until
from tests.api.ibm.test_official_client import run_client
from tests.charts.release import TREMBLE, install

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

SLEEPS = """
import time

def main(backend, messenger):
    messenger.publish("runs")
    time.sleep(280)
"""
"""A program that runs until it is cancelled."""


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
    """At every replica; a job of another instance is not there, in the words of any other id."""
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
