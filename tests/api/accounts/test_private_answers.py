"""Answers that are one account's: no cache keeps them, and a look uses nothing up."""

import httpx
import pytest

from api.accounts.modes import SIGNING_FILE, make_identity_tokens
from api.settings import ApiSettings
from tests.api.conftest import run_server, wait_until

SAMPLE = {"program_id": "hello-world", "backend": "aer_simulator", "params": {}}
API = "/api/v1"


def post(tenants, name, **fields):
    """Post a job in today's dialect; returns its id."""
    answer = tenants[name].post(f"{API}/jobs", json=SAMPLE | fields)
    assert answer.status_code == 200, answer.text
    return answer.json()["id"]


def finish(tenants, name, job_id):
    """Wait until a job has ended."""
    path = f"{API}/jobs/{job_id}"
    wait_until(lambda: tenants[name].get(path).json()["state"]["status"] == "Completed")


@pytest.mark.parametrize("prefix", ["", API])
def test_a_viewer_does_not_use_a_private_result_up(tenants, prefix):
    """The result is served once, and its owner is served."""
    job_id = post(tenants, "ann", private=True)
    finish(tenants, "ann", job_id)
    path = f"{prefix}/jobs/{job_id}/results"
    refused = tenants["guest"].get(path)
    assert refused.status_code == 403 and "private" in refused.text
    served = tenants["ann"].get(path)
    assert served.status_code == 200 and len(served.text) > 2
    assert tenants["ann"].get(path).text in ("", '""')


@pytest.mark.parametrize("path", ["/jobs", f"{API}/jobs", f"{API}/backends", "/api/Network", "/x"])
def test_no_cache_keeps_an_answer(tenants, path):
    """Caches know that of the header Authorization alone, and there are others."""
    token = tenants["ann"].headers["authorization"].removeprefix("Bearer ")
    answer = httpx.get(
        f"{tenants.server.http.base_url}{path}",
        headers={"X-Access-Token": token},
        trust_env=False,
        timeout=30,
    )
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_assets_of_the_documentation_may_be_kept(tenants):
    """They are the same for everybody, and large."""
    page = tenants["ann"].get("/docs").text
    asset = page.partition("/static-offline-docs/")[2].partition('"')[0]
    answer = tenants["ann"].get(f"/static-offline-docs/{asset}")
    assert answer.status_code == 200 and "cache-control" not in answer.headers


def test_an_image_on_another_page_is_not_served(tmp_path):
    """Without a token the browser of this machine's user would be: its image names no origin."""
    with run_server(tmp_path) as server:
        foreign = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"}
        assert server.http.get("/jobs", headers=foreign).status_code == 403
        assert server.http.get("/docs", headers=foreign).status_code == 200
        own = {"Sec-Fetch-Site": "same-origin"}
        assert server.http.get("/jobs", headers=own).status_code == 200


def test_a_repeat_for_another_instance_leaves_the_session_alone(tenants):
    """Its key is that of a request before, whose session is open."""
    fields = {"start_session": True, "session_time": 600, "backend": "aer_montreal"}
    headers = {"Idempotency-Key": "one-session", "Service-CRN": "chem/lab/vqe"}
    made = tenants["alice"].post(f"{API}/jobs", json=SAMPLE | fields, headers=headers)
    assert made.status_code == 200, made.text
    headers["Service-CRN"] = "chem/lab/second"
    again = tenants["alice"].post(f"{API}/jobs", json=SAMPLE | fields, headers=headers)
    assert 400 <= again.status_code < 500
    session = tenants["ann"].get(f"{API}/sessions/{made.json()['id']}")
    assert session.json()["accepting_jobs"] is True


def test_identity_tokens_outlive_a_restart(tmp_path):
    """A client asks for another only near the end of the one it has."""
    accounts = tmp_path / "accounts.yaml"
    accounts.write_text("accounts: []")
    settings = ApiSettings(data=tmp_path / "data", accounts=accounts)
    token = make_identity_tokens(settings).sign({"key": "k"}, 60).text
    assert make_identity_tokens(settings).read(token)
    assert (tmp_path / "data" / SIGNING_FILE).stat().st_mode & 0o077 == 0
    elsewhere = ApiSettings(data=tmp_path / "other", accounts=accounts)
    assert make_identity_tokens(elsewhere).read(token) is None
