"""The login of the client of 2021 on a server with accounts, and the runtime that it leads to."""

import httpx
import pytest

from tests.api.accounts.conftest import TOKENS

RUNTIME = "/api/runtime"


@pytest.fixture
def nobody(tenants):
    """A client without a token."""
    base = tenants.server.http.base_url
    with httpx.Client(base_url=base, trust_env=False, timeout=60) as client:
        yield client


def log_in(client, token):
    """Return the answer to a login."""
    return client.post("/api/users/loginWithToken", json={"apiToken": token})


def run(client, instance, **fields):
    """Return the answer to a run of the program 'steps' for an instance."""
    hub, group, project = instance.split("/")
    labels = {"hub": hub, "group": group, "project": project, "backend": "aer_simulator"}
    body = {"program_id": "steps", "params": {}, "runtime": "", **labels, **fields}
    return client.post(f"{RUNTIME}/jobs", json=body)


def test_version_is_told_to_everybody(nobody):
    """The client asks before it logs in."""
    assert nobody.get("/api/version").json() == {"new_api": True, "api-auth": "0.1"}


def test_login_exchanges_a_token(nobody):
    """The answer's id is presented in X-Access-Token, and is the account's."""
    found = log_in(nobody, TOKENS["alice"]).json()["id"]
    me = nobody.get("/api/users/me", headers={"X-Access-Token": found}).json()
    assert me["username"] == "alice"


@pytest.mark.parametrize("token", ["wrong-token", "x" * 8000])
def test_login_with_a_wrong_token_is_refused(nobody, token):
    """The answer is 401 in the form that the client reads."""
    answer = log_in(nobody, token)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, 401)


@pytest.mark.parametrize("body", [{}, {"apiToken": ""}, {"apiToken": 3}, []])
def test_login_without_a_token_is_refused(nobody, body):
    """The field is named."""
    answer = nobody.post("/api/users/loginWithToken", json=body)
    assert answer.status_code == 400
    assert answer.json()["errors"]


def test_all_else_needs_the_token(nobody):
    """Only the version and the login are open."""
    for path in ("users/me", "Network", "runtime/jobs", "runtime/programs"):
        assert nobody.get(f"/api/{path}").status_code == 401, path


@pytest.mark.parametrize(
    ("header", "scheme"),
    [
        ({}, "http"),
        ({"X-Forwarded-Proto": "https"}, "https"),
        ({"X-Forwarded-Proto": "x"}, "http"),
        ({"X-Forwarded-Proto": "https,https"}, "https"),
        ({"X-Forwarded-Proto": "HTTPS"}, "https"),
        ({"X-Forwarded-Proto": "http, https"}, "http"),
    ],
)
def test_services_are_where_the_client_came_to(tenants, header, scheme):
    """The addresses have the host of the request, and the scheme of the proxy before it."""
    urls = tenants["alice"].get("/api/users/me", headers=header).json()["urls"]
    base = f"127.0.0.1:{tenants.server.port}/api"
    assert urls["http"] == f"{scheme}://{base}"
    assert urls["services"]["runtime"] == f"{scheme}://{base}/runtime"
    assert urls["ws"] == f"{scheme.replace('http', 'ws')}://{base}"


def test_instances_are_the_accounts_own(tenants):
    """Hub, group and project of each, and the first is the default."""
    (hub,) = tenants["alice"].get("/api/Network").json()
    assert hub["name"] == "chem"
    projects = hub["groups"]["lab"]["projects"]
    assert {name: project["isDefault"] for name, project in projects.items()} == {
        "vqe": True,
        "second": False,
    }


def test_devices_are_those_of_an_own_instance(tenants):
    """Another's instance has none, as if it were not there."""
    place = "/api/Network/{}/Groups/lab/Projects/{}/devices"
    own = tenants["alice"].get(place.format("chem", "vqe") + "/v/1").json()
    assert "aer_simulator" in [device["backend_name"] for device in own]
    assert tenants["alice"].get(place.format("bio", "main") + "/v/1").status_code == 404
    status = tenants["alice"].get(place.format("chem", "vqe") + "/aer_simulator/queue/status")
    assert status.json()["state"] is True
    missing = tenants["alice"].get(place.format("chem", "vqe") + "/nothing/queue/status")
    assert missing.status_code == 404


def test_run_is_of_the_instance_that_it_names(tenants):
    """A job belongs to hub, group and project of its request; another's are refused."""
    job_id = run(tenants["alice"], "chem/lab/second").json()["id"]
    found = tenants["alice"].get(f"{RUNTIME}/jobs/{job_id}").json()
    assert (found["hub"], found["group"], found["project"]) == ("chem", "lab", "second")
    assert isinstance(found["status"], str)
    assert run(tenants["alice"], "bio/lab/main").status_code == 403
    assert tenants["bob"].get(f"{RUNTIME}/jobs/{job_id}").status_code == 404


def test_list_counts_all_pages(tenants):
    """The client asks until it has as many jobs as the count says."""
    for _ in range(3):
        run(tenants["bob"], "bio/lab/main")
    page = tenants["bob"].get(f"{RUNTIME}/jobs", params={"limit": 2}).json()
    assert len(page["jobs"]) == 2
    assert page["count"] >= 3


def test_logout_is_answered(tenants):
    """There is nothing to forget, and no error."""
    assert tenants["alice"].post(f"{RUNTIME}/logout").status_code == 204
