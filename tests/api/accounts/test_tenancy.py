"""Tenants: what belongs to another instance is not there, on no route."""

import base64
import json
import re
from uuid import uuid4

import pytest
from fastapi.routing import iter_route_contexts
from starlette.routing import WebSocketRoute
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from api.main import create_app
from api.settings import ApiSettings
from qiskit_runtime.contract.resources.instance import parse_instance

MODULE = "def main(backend, user_messenger):\n    return 1\n"

BODIES = {
    ("PUT", "/programs/{program_id}/data"): {"data": "cHJpbnQoMSk="},
    ("PATCH", "/programs/{program_id}"): {"description": "changed"},
    ("PUT", "/programs/{program_id}"): {"name": "changed", "data": "cHJpbnQoMSk="},
    ("PUT", "/jobs/{job_id}/tags"): {"tags": ["a"]},
    ("PATCH", "/sessions/{session_id}"): {"accepting_jobs": False},
}
"""The bodies of routes that need one, by method and the end of their path."""


def routes_that_name_something() -> list[tuple[str, str]]:
    """Every method and path of the app that leads to one job, program or session."""
    app = create_app(ApiSettings(data="/nowhere"))
    named = [
        (method, str(route.path))
        for route in iter_route_contexts(app.routes)
        if re.search(r"\{(job_id|program_id|session_id)\}", route.path or "")
        for method in sorted(set(route.methods or ()) - {"HEAD"})
    ]
    assert len(named) >= 60
    return named


def sockets_that_name_something() -> list[str]:
    """Every path of a websocket that leads to one job."""
    app = create_app(ApiSettings(data="/nowhere"))
    found = [
        str(route.path)
        for route in iter_route_contexts(app.routes)
        if isinstance(route.original_route, WebSocketRoute)
    ]
    assert len(found) >= 4
    return found


def make_body(program: str, hub: str = "", group: str = "", project: str = "") -> dict[str, object]:
    """Return the body of POST /jobs, for the default instance or another."""
    labels = {"hub": hub, "group": group, "project": project, "backend": ""}
    return {"programId": program, **labels, "params": []}


@pytest.fixture(scope="module")
def owned(tenants):
    """The things of alice: an ended job, one that runs, and a private program."""
    ended = tenants.run("alice", '[["publish", {"secret": 1}], ["final", 2]]')
    tenants.finish("alice", ended)
    data = base64.b64encode(MODULE.encode()).decode()
    upload = {"name": "alices own", "data": data, "description": "secret", "is_public": False}
    answer = tenants["alice"].post("/programs", json=upload)
    assert answer.status_code == 200, answer.text
    session = tenants["alice"].post("/api/v1/sessions", json={"backend": "aer_simulator"})
    assert session.status_code == 200, session.text
    ids = {"job_id": ended, "program_id": answer.json()["id"], "session_id": session.json()["id"]}
    # What bob is refused below is there for alice.
    for address in ("/jobs/{job_id}", "/programs/{program_id}", "/sessions/{session_id}"):
        assert tenants["alice"].get("/api/v1" + fill(address, ids)).status_code == 200
    return ids


@pytest.fixture(scope="module")
def absent():
    """Ids of nothing."""
    return {"job_id": str(uuid4()), "program_id": "not-there", "session_id": str(uuid4())}


def fill(path: str, ids: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: ids.get(found[1], "x"), path)


def body_of(method: str, path: str) -> dict[str, object]:
    fitting = [
        body for (verb, end), body in BODIES.items() if verb == method and path.endswith(end)
    ]
    return {"json": fitting[0]} if fitting else {}


def plain(text: str, ids: dict[str, str]) -> str:
    """The answer without the ids, which are the client's own words, and without a trace's id."""
    for value in ids.values():
        text = text.replace(value, "ID")
    return re.sub(r'"trace": ?"[^"]*"', '"trace":"ID"', text)


@pytest.mark.parametrize(("method", "path"), routes_that_name_something())
def test_what_is_another_instances_is_answered_as_what_is_not_there(
    tenants, owned, absent, method, path
):
    """The answer to bob is 404, with the body that an id of nothing gets."""
    theirs = tenants["bob"].request(method, fill(path, owned), **body_of(method, path))
    nothing = tenants["bob"].request(method, fill(path, absent), **body_of(method, path))

    assert theirs.status_code == nothing.status_code == 404, (theirs.text, nothing.text)
    assert plain(theirs.text, owned) == plain(nothing.text, absent)
    assert theirs.headers["content-type"] == nothing.headers["content-type"]


def test_nothing_of_it_was_changed(tenants, owned):
    """After all that bob tried, alice has her job and her program as they were."""
    job = tenants["alice"].get(f"/jobs/{owned['job_id']}")
    program = tenants["alice"].get(f"/programs/{owned['program_id']}")

    assert job.json()["status"] == "Completed"
    assert (program.json()["description"], program.json()["version"]) == ("secret", "1")


@pytest.mark.parametrize("path", sockets_that_name_something())
def test_websocket_of_another_instance_is_not_there(tenants, owned, absent, path):
    """The handshake answers 404, as for a job that does not exist."""
    bodies = []
    for ids in (owned, absent):
        address = f"ws://127.0.0.1:{tenants.server.port}{fill(path, ids)}"
        headers = {"Authorization": "Bearer token-of-bob"}
        with pytest.raises(InvalidStatus) as refused:
            connect(address, additional_headers=headers, proxy=None)
        assert refused.value.response.status_code == 404
        bodies.append(plain(refused.value.response.body.decode(), ids))
    assert bodies[0] == bodies[1]


@pytest.mark.parametrize("name", ["alice", "ann", "guest"])
def test_those_of_the_same_instance_share_what_is_there(tenants, owned, name):
    """A job and its data, and a private program, are for all accounts of their instance."""
    client = tenants[name]
    assert client.get(f"/jobs/{owned['job_id']}").status_code == 200
    assert json.loads(client.get(f"/jobs/{owned['job_id']}/results").json()) == 2
    assert "secret" in client.get(f"/jobs/{owned['job_id']}/logs").json()
    assert client.get(f"/programs/{owned['program_id']}/data").text == MODULE
    with tenants.server.listen(
        owned["job_id"], additional_headers={"Authorization": client.headers["authorization"]}
    ) as websocket:
        assert websocket.recv(timeout=20) == '{"secret": 1}'


def test_lists_and_counts_are_those_of_the_own_instances(tenants, owned):
    """Bob's lists have neither the job nor the program, and their totals do not count them."""
    mine = tenants.run("bob")
    tenants.finish("bob", mine)
    bobs, alices = (tenants[name].get("/jobs").json() for name in ("bob", "alice"))

    assert [job["id"] for job in bobs["jobs"]] == [mine]
    assert (bobs["count"], bobs["total"]) == (1, 1)
    assert mine not in [job["id"] for job in alices["jobs"]]
    assert owned["job_id"] in [job["id"] for job in alices["jobs"]]
    page = tenants["bob"].get("/jobs", params={"hub": "chem"}).json()
    assert (page["jobs"], page["total"]) == ([], 0)
    programs = tenants["bob"].get("/programs").json()
    assert owned["program_id"] not in [program["id"] for program in programs["programs"]]
    assert programs["count"] == len(programs["programs"])
    found = tenants["bob"].get("/programs", params={"search": "secret"}).json()
    assert found["count"] == 0


def test_a_private_program_of_another_can_not_be_run(tenants, owned):
    """POST /jobs knows no such program."""
    for name in (owned["program_id"], "not-there"):
        body = {
            "programId": name,
            "hub": "",
            "group": "",
            "project": "",
            "backend": "",
            "params": [],
        }
        answer = tenants["bob"].post("/jobs", json=body)
        assert (answer.status_code, answer.json()) == (404, {"detail": "Program not found"})


def test_a_public_program_is_everybodys_to_run_and_its_owners_to_change(tenants):
    """Others see it and its source, and can't change, hide or delete it."""
    upload = {"name": "for all", "is_public": True, "description": "x"}
    source = ("for_all.py", MODULE.encode())
    answer = tenants["alice"].post("/programs", data=upload, files={"data": source})
    assert answer.status_code == 200, answer.text
    address = f"/programs/{answer.json()['id']}"
    assert tenants["bob"].get(address).status_code == 200
    body = {
        "programId": "for-all",
        "hub": "",
        "group": "",
        "project": "",
        "backend": "",
        "params": [],
    }
    job_id = tenants["bob"].post("/jobs", json=body).json()["id"]
    tenants.finish("bob", job_id)
    assert tenants["bob"].get(f"/jobs/{job_id}/results").json() == "1"
    for method, end in (("PUT", "/private"), ("DELETE", ""), ("PATCH", "")):
        refused = tenants["bob"].request(method, address + end, json={"description": "mine"})
        assert refused.status_code == 403
        assert "another instance" in refused.json()["detail"]
    assert tenants["ann"].put(f"{address}/private").status_code == 204
    assert tenants["bob"].get(address).status_code == 404
    assert tenants["alice"].delete(address).status_code == 204


def test_a_taken_name_says_no_more_than_that(tenants, owned):
    """Ids are one namespace: another instance's name is refused in other words than the own."""
    source = {"data": ("own.py", MODULE.encode())}
    answers = {
        name: tenants[name].post("/programs", data={"name": "alices own"}, files=source)
        for name in ("alice", "bob")
    }

    assert {answer.status_code for answer in answers.values()} == {409}
    assert "PUT /programs/alices-own/data" in answers["alice"].json()["detail"]
    assert answers["bob"].json()["detail"] == (
        "name: alices-own is taken on this server; take another name"
    )


def test_a_job_is_for_the_default_instance_or_the_one_that_is_named(tenants):
    """Empty texts, and those of the 2021 documentation, mean the account's first instance."""
    default = [tenants.run("alice", hub=text, group=text, project=text) for text in ("", "string")]
    named = tenants.run("alice", hub="chem", group="lab", project="second")

    for job_id in default:
        job = tenants["alice"].get(f"/jobs/{job_id}").json()
        assert (job["hub"], job["group"], job["project"]) == ("chem", "lab", "vqe")
    job = tenants["alice"].get(f"/jobs/{named}").json()
    assert (job["hub"], job["group"], job["project"]) == ("chem", "lab", "second")
    assert tenants["ann"].get(f"/jobs/{named}").status_code == 404


@pytest.mark.parametrize(
    ("hub", "group", "project"), [("bio", "lab", "main"), ("chem", "lab", ""), ("x", "y", "z")]
)
def test_a_job_for_another_instance_is_403(tenants, hub, group, project):
    """It is the same whether the instance exists: there is no list of them."""
    body = {
        "programId": "steps",
        "hub": hub,
        "group": group,
        "project": project,
        "backend": "",
        "params": [],
    }
    answer = tenants["alice"].post("/jobs", json=body)

    assert answer.status_code == 403
    assert f"{hub}/{group}/{project} is no instance of this account" in answer.json()["detail"]


def test_service_crn_narrows_to_one_instance(tenants, owned):
    """By CRN or by name; another's is 403, and what is in the other own instance is not there."""
    second = parse_instance("chem/lab/second")
    for named in (second.crn, second.name):
        headers = {"Service-CRN": named}
        job_id = tenants.run("alice", hub="chem", group="lab", project="second")
        tenants.finish("alice", job_id)
        listed = tenants["alice"].get("/jobs", headers=headers).json()["jobs"]
        assert {job["project"] for job in listed} == {"second"}
        assert job_id in [job["id"] for job in listed]
        address = f"/jobs/{owned['job_id']}"
        assert tenants["alice"].get(address, headers=headers).status_code == 404
    for named in (parse_instance("bio/lab/main").crn, "bio/lab/main", "crn:v1:x", "nonsense"):
        answer = tenants["alice"].get("/jobs", headers={"Service-CRN": named})
        assert (answer.status_code, "no instance" in answer.text) == (403, True)


def test_a_session_may_name_the_own_instance_by_any_crn_of_it(tenants):
    """A CRN's id tells instances apart, and not its region; another own instance is refused."""
    own = parse_instance("chem/lab/second")
    elsewhere = own.crn.replace("us-east", "eu-de")
    assert elsewhere != own.crn
    body, headers = {"backend": "aer_simulator"}, {"Service-CRN": elsewhere}
    for named in (own.crn, elsewhere, own.name):
        answer = tenants["alice"].post(
            "/api/v1/sessions", json=body | {"instance": named}, headers=headers
        )
        assert answer.status_code == 200, answer.text
    for named in (parse_instance("bio/lab/main").crn, "bio/lab/main", "nonsense"):
        answer = tenants["alice"].post(
            "/api/v1/sessions", json=body | {"instance": named}, headers=headers
        )
        assert (answer.status_code, own.crn in answer.text) == (400, True), named


def test_an_idempotency_key_is_the_accounts_own(tenants):
    """Two accounts that use the same key get a job each, even in one instance."""
    headers = {"Idempotency-Key": "monday"}
    body = {
        "programId": "steps",
        "hub": "",
        "group": "",
        "project": "",
        "backend": "",
        "params": [],
    }
    ids = [
        tenants[name].post("/jobs", json=body, headers=headers).json()["id"]
        for name in ("alice", "ann", "bob", "alice")
    ]

    assert len(set(ids)) == 3
    assert ids[0] == ids[3]


def test_an_admin_sees_and_ends_all_jobs(tenants, gate):
    """The admin has every instance's jobs in the list, and may cancel and delete them."""
    waiting = tenants.run("bob", json.dumps([["wait", str(gate)]]))
    everybody = tenants["root"].get("/jobs", params={"limit": 1000}).json()

    assert {"chem", "bio"} <= {job["hub"] for job in everybody["jobs"]}
    assert tenants["root"].post(f"/jobs/{waiting}/cancel").status_code == 204
    tenants.finish("root", waiting)
    assert tenants["root"].delete(f"/jobs/{waiting}").status_code == 204
    assert tenants["bob"].get(f"/jobs/{waiting}").status_code == 404


def test_a_viewer_changes_nothing(tenants, owned):
    """Every request that would change something is 403, and reads are answered."""
    for method, path in routes_that_name_something():
        answer = tenants["guest"].request(method, fill(path, owned), **body_of(method, path))
        assert (answer.status_code == 403) == (method != "GET"), (method, path)
    body = {
        "programId": "steps",
        "hub": "",
        "group": "",
        "project": "",
        "backend": "",
        "params": [],
    }
    assert tenants["guest"].post("/jobs", json=body).status_code == 403
    assert tenants["guest"].get("/jobs").status_code == 200
