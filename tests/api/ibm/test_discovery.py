"""Instances as the official client finds them: by a search, and a catalog of plans."""

import httpx
import pytest

from api.accounts.caller import Caller
from api.dependencies import _caller
from api.main import create_app
from api.settings import ApiSettings
from qiskit_runtime.contract.resources.instance import DEFAULT_INSTANCE, Instance
from tests.api.fake_store import FakeStore

SEARCH = {
    "query": "service_name:quantum-computing",
    "fields": ["crn", "service_plan_unique_id", "name", "doc", "tags"],
}


@pytest.fixture
def app(tmp_path):
    """An app over a store in memory."""
    return create_app(ApiSettings(data=tmp_path), FakeStore())


def connect(app):
    """Return a client of the app."""
    transport = httpx.ASGITransport(app)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


async def search(app):
    """Return what is found."""
    async with connect(app) as client:
        answer = await client.post("/v3/resources/search?limit=100", json=SEARCH)
    assert answer.status_code == 200, answer.text
    assert "search_cursor" not in answer.json()
    return answer.json()["items"]


@pytest.mark.anyio
async def test_a_server_without_accounts_has_the_default_instance(app):
    """It has the fields that the client reads, and its plan is in the catalog."""
    [found] = await search(app)
    assert found["crn"] == DEFAULT_INSTANCE.crn
    assert found["name"] == "ibm-q/open/main"
    assert found["tags"] == ["ibm-q", "open", "main"]
    assert found["doc"]["extensions"]
    async with connect(app) as client:
        answer = await client.get(f"/globalcatalog/v1/{found['service_plan_unique_id']}")
    plan = answer.json()
    assert plan["overview_ui"]["en"]["display_name"] == "open"
    assert plan["metadata"]["pricing"]["type"] == "free"


@pytest.mark.anyio
async def test_an_account_finds_its_own_instances_in_order(app):
    """Its default comes first, and another account's is not there."""
    mine = (Instance("a", "Premium", "x"), Instance("a", "open", "y"))
    app.dependency_overrides[_caller] = lambda: Caller(name="me", instances=mine)
    found = await search(app)
    assert [one["crn"] for one in found] == [instance.crn for instance in mine]
    assert [one["service_plan_unique_id"] for one in found] == ["Premium", "open"]
    assert found[0]["tags"] == ["a", "premium", "x"]


@pytest.mark.anyio
async def test_a_search_needs_the_token(tmp_path):
    """A wrong key is refused where the client first asks, so it fails at once."""
    app = create_app(ApiSettings(token="open-sesame", data=tmp_path), FakeStore())
    async with connect(app) as client:
        assert (await client.post("/v3/resources/search", json=SEARCH)).status_code == 401
        assert (await client.get("/globalcatalog/v1/open")).status_code == 401
