"""The chart installed for the people of an OpenID provider, which runs on this machine."""

import json
import socket
import time
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

from tests.api.browser.provider import run_provider
from tests.api.ibm.test_official_client import run_client
from tests.charts.release import TREMBLE, install
from tests.chromium import POST_JOB, open_chromium

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

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
