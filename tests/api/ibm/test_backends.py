"""/backends of today's dialect: lists, documents and their errors, at both of its places."""

import json
import time

import httpx
import pytest
import yaml

from api.backend_reports import BackendReports
from api.main import create_app
from api.routes.ibm import PREFIXES
from api.settings import ApiSettings
from qiskit_runtime.contract.lifecycle import Phase
from qiskit_runtime.contract.resources.backend import BACKENDS, find_backend
from qiskit_runtime.contract.resources.resource import API_VERSION
from tests.api.fake_store import FakeStore

NAMES = [backend.name for backend in BACKENDS]
TODAY = {"IBM-API-Version": "2026-04-15"}
BROKEN = {"broken": {"fakeDevice": "FakeNobody"}, "lagos": {"fakeDevice": "FakeLagosV2"}}

pytestmark = pytest.mark.anyio


@pytest.fixture
def store():
    """The store with the jobs of a test."""
    return FakeStore()


@pytest.fixture
async def http(store, tmp_path):
    """A client of an app with two more backends, one of which can't run."""
    path = tmp_path / "backends.yaml"
    documents = [
        {
            "apiVersion": API_VERSION,
            "kind": "RuntimeBackend",
            "metadata": {"name": name},
            "spec": spec,
        }
        for name, spec in BROKEN.items()
    ]
    path.write_text(yaml.safe_dump_all(documents))
    app = create_app(ApiSettings(allowed_hosts=("testserver",), backends=path), store)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield client


async def read(http, path, **query):
    """Return the answer at a path below the dialect's first place."""
    answer = await http.get(f"{PREFIXES[0]}/backends{path}", params=query, headers=TODAY)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("version", [None, "2024-01-01", "2025-04-30"])
async def test_old_clients_get_names(http, prefix, version):
    """Without the header, or with a date before the change, there are no objects."""
    headers = {} if version is None else {"IBM-API-Version": version}
    answer = await http.get(f"{prefix}/backends", headers=headers)
    assert answer.json() == {"devices": [*NAMES, "broken", "lagos"]}


async def test_list_says_what_each_backend_is(http):
    """Widths, kinds, and the one that can't run, with the reason."""
    devices = {device["name"]: device for device in (await read(http, ""))["devices"]}
    assert list(devices) == [*NAMES, "broken", "lagos"]
    assert devices["aer_simulator"]["is_simulator"] and devices["aer_simulator"]["qubits"] == 100
    montreal = devices["aer_montreal"]
    assert not montreal["is_simulator"] and montreal["physical_qubits"] == 27
    assert montreal["processor_type"]["family"] == "Falcon"
    assert montreal["status"] == {"name": "online", "reason": "available"}
    assert devices["broken"]["status"]["name"] == "offline"
    assert "FakeNobody" in devices["broken"]["status"]["reason"]


async def test_queue_is_that_of_the_backend(http, store):
    """Jobs that wait are counted; those that run or have ended are not."""
    for phase in (Phase.QUEUED, Phase.QUEUED, Phase.RUNNING, Phase.COMPLETED):
        await store.add(phase)
    assert (await read(http, "/aer_simulator/status"))["length_queue"] == 2
    assert (await read(http, "/aer_montreal/status"))["length_queue"] == 0
    devices = (await read(http, ""))["devices"]
    assert {device["name"]: device["queue_length"] for device in devices}["aer_simulator"] == 2


async def test_polls_of_a_queue_read_the_jobs_once_a_second(store, monkeypatch):
    """A hundred polls are one look at the queued jobs, however many there are."""
    await store.add(Phase.QUEUED)
    looks = []
    queued = store.all_queued
    monkeypatch.setattr(store, "all_queued", lambda: looks.append(1) or queued())
    reports = BackendReports(store)
    for _ in range(100):
        assert reports.queues() == {"aer_simulator": 1}
    assert len(looks) == 1


async def test_status_is_active_or_says_why_not(http):
    """The client takes state for operational."""
    active = await read(http, "/aer_montreal/status")
    assert (active["state"], active["status"], active["backend_version"]) == (
        True,
        "active",
        "1.9.5",
    )
    broken = await read(http, "/broken/status")
    assert (broken["state"], broken["status"]) == (False, "offline")
    assert "FakeNobody" in broken["message"]


async def test_properties_before_a_time_are_those_that_were_there(http):
    """The data of the device are of March 2021; a simulator has none."""
    assert (await read(http, "/aer_montreal/properties"))["last_update_date"].startswith("2021-03")
    path = "/aer_montreal/properties"
    assert await read(http, path, updated_before="2021-03-15T19:02:06+00:00") == {}
    assert len((await read(http, path, updated_before="2021-03-15T19:02:07Z"))["qubits"]) == 27
    assert len((await read(http, path, updated_before="2026-01-01T00:00:00"))["qubits"]) == 27
    assert await read(http, "/aer_simulator/properties") == {}
    assert await read(http, "/aer_montreal/defaults") == {}


@pytest.mark.parametrize(
    ("path", "query", "text"),
    [
        ("/nobody/configuration", {}, "no backend is named 'nobody'"),
        ("/nobody/properties", {}, "no backend is named 'nobody'"),
        ("/nobody/status", {}, "no backend is named 'nobody'"),
        ("/nobody/defaults", {}, "no backend is named 'nobody'"),
        ("/broken/configuration", {}, "FakeNobody"),
        ("/broken/properties", {}, "FakeNobody"),
        ("/aer_montreal/configuration", {"calibration_id": "x1"}, "'x1'"),
        ("/aer_montreal/properties", {"calibration_id": "x1"}, "'x1'"),
    ],
)
async def test_what_is_unknown_is_404(http, path, query, text):
    """Backend, device and calibration are named."""
    answer = await http.get(f"{PREFIXES[1]}/backends{path}", params=query, headers=TODAY)
    assert answer.status_code == 404
    assert text in answer.json()["error"]["message"]


async def test_a_time_that_is_none_is_refused(http):
    """The parameter is named."""
    path = f"{PREFIXES[0]}/backends/aer_montreal/properties"
    answer = await http.get(path, params={"updated_before": "yesterday"})
    assert answer.status_code == 400
    assert "updated_before" in answer.json()["errors"][0]["message"]


async def test_documents_are_written_once(store):
    """Each later poll gets the same bytes, without work."""
    reports, montreal = BackendReports(store), find_backend("aer_montreal")
    first = await reports.documents(montreal)
    begun = time.perf_counter()
    for _ in range(1000):
        assert (await reports.documents(montreal)).configuration is first.configuration
    assert time.perf_counter() - begun < 1
    assert json.loads(first.configuration)["n_qubits"] == 27
