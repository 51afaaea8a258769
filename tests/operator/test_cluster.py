"""The calls of the operator to the Kubernetes API, as they leave it."""

from contextlib import nullcontext

import pytest

from controller import cluster as cluster_module
from controller.cluster import JobCluster
from qiskit_runtime.cluster.client import Conflict, Unanswered, make_error
from qiskit_runtime.contract.resources.resource import JOB_LABEL
from qiskit_runtime.contract.resources.runtimesession import parse_runtimesession
from tests.operator.fake_cluster import read_pieces
from tests.operator.manifests import make_job, session_manifest

pytestmark = pytest.mark.anyio

RUNTIMEJOBS = "/apis/qiskit-runtime.dev/v1alpha1/namespaces/jobs/runtimejobs"
PROGRAMS = "/apis/qiskit-runtime.dev/v1alpha1/namespaces/jobs/runtimeprograms"
SESSIONS = "/apis/qiskit-runtime.dev/v1alpha1/namespaces/jobs/runtimesessions"
JOBS, CORE = "/apis/batch/v1/namespaces/jobs/jobs", "/api/v1/namespaces/jobs"


class Api:
    """An API server that answers each request by its method and path."""

    def __init__(self, **answers):
        self.answers, self.requests = answers, []

    async def call(self, method, path, body=None, *, query=None, **_):
        self.requests.append((method, path, body, query))
        answer = self.answers.get(f"{method} {path}", {})
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def find(self, method, path, body=None):
        return await self.call(method, path, body) or None

    def open_stream(self, path, **query):
        self.requests.append(("STREAM", path, None, query))
        return nullcontext(read_pieces([b"line\n"]))


def open_cluster(**answers):
    """A cluster, and the API server behind it."""
    api = Api(**answers)
    return JobCluster(api, api, "jobs"), api


def owned(uid):
    """A Kubernetes Job that this RuntimeJob owns."""
    return {"metadata": {"name": "r", "ownerReferences": [{"uid": uid}]}}


TAKEN = make_error(409, "Conflict", "AlreadyExists")


async def test_job_that_is_there_already_is_success():
    """A creation that was not answered is repeated, and finds what it made."""
    cluster, _ = open_cluster(**{f"POST {JOBS}": TAKEN, f"GET {JOBS}/r": owned("u")})
    assert await cluster.create_job(owned("u")) == (owned("u"), False)


@pytest.mark.parametrize("there", [{}, owned("another")])
async def test_job_of_another_owner_is_none_of_ours(there):
    """A job that was deleted and made again has another Kubernetes Job."""
    cluster, _ = open_cluster(**{f"POST {JOBS}": TAKEN, f"GET {JOBS}/r": there})
    with pytest.raises(Conflict):
        await cluster.create_job(owned("u"))


async def test_status_is_written_by_compare_and_set():
    """The write names the version that was read: the API server refuses it if that has changed."""
    cluster, api = open_cluster()
    await cluster.write_status(make_job(resourceVersion="7"), {"phase": "Running"})
    body = {"metadata": {"resourceVersion": "7"}, "status": {"phase": "Running"}}
    assert api.requests == [("PATCH", f"{RUNTIMEJOBS}/j/status", body, None)]


async def test_session_is_written_and_deleted_by_compare_and_set():
    """A session that a client closes meanwhile is looked at again; another of its name stays."""
    cluster, api = open_cluster()
    session = parse_runtimesession(session_manifest())
    assert await cluster.get_session("s") is None
    await cluster.write_session_status(session, {"state": "active"})
    await cluster.delete_session(session)
    body = {"metadata": {"resourceVersion": "1"}, "status": {"state": "active"}}
    assert api.requests == [
        ("GET", f"{SESSIONS}/s", None, None),
        ("PATCH", f"{SESSIONS}/s/status", body, None),
        ("DELETE", f"{SESSIONS}/s", {"preconditions": {"uid": "uid-s"}}, None),
    ]


async def test_deletions_name_the_object_that_is_meant():
    """Only the object with this UID is deleted, of several that had the name."""
    cluster, api = open_cluster()
    await cluster.delete_runtimejob(make_job(uid="u7"))
    await cluster.delete_secret("s", "u8")
    await cluster.delete_secret("t")
    await cluster.delete_job("r")
    await cluster.delete_pod("p")
    assert [(path, body) for _, path, body, _ in api.requests] == [
        (f"{RUNTIMEJOBS}/j", {"preconditions": {"uid": "u7"}}),
        (f"{CORE}/secrets/s", {"preconditions": {"uid": "u8"}}),
        (f"{CORE}/secrets/t", None),
        (f"{JOBS}/r", {"propagationPolicy": "Background"}),
        (f"{CORE}/pods/p", None),
    ]


async def test_secret_is_replaced_where_it_is_there():
    """A record that is stored again is one Secret; an input that is there is left alone."""
    secret = {"metadata": {"name": "s"}}
    cluster, api = open_cluster(**{f"POST {CORE}/secrets": TAKEN})
    assert await cluster.create_secret(secret) is None
    await cluster.put_secret(secret)
    assert [request[0] for request in api.requests] == ["POST", "POST", "PUT"]


async def test_pods_come_newest_first():
    """The pod of a resumed Job is looked at before the one that it replaces."""
    pods = [
        {"metadata": {"name": name, "creationTimestamp": f"2026-01-0{day}T00:00:00Z"}}
        for name, day in (("old", 1), ("new", 3), ("middle", 2))
    ]
    cluster, api = open_cluster(**{f"GET {CORE}/pods": {"items": pods}})
    found = await cluster.find_pods("r")
    assert [pod["metadata"]["name"] for pod in found] == ["new", "middle", "old"]
    assert api.requests[0][3] == {"labelSelector": "job-name=r"}


async def test_versions_are_listed_of_all_kinds():
    """Objects that run a RuntimeJob are found by its name's label; an empty list is null."""
    job = {"metadata": {"uid": "1", "name": "j", "resourceVersion": "5"}}
    run = {"metadata": {"uid": "2", "resourceVersion": "6", "labels": {JOB_LABEL: "j"}}}
    lists = {f"GET {RUNTIMEJOBS}": [job], f"GET {JOBS}": [run], f"GET {CORE}/pods": None}
    cluster, _ = open_cluster(**{path: {"items": items} for path, items in lists.items()})
    assert await cluster.list_versions() == {"1": ("j", 5), "2": ("j", 6)}


async def test_versions_are_listed_by_pages(monkeypatch):
    """A page at a time is in memory, and every page is asked for, of the list that was begun."""
    monkeypatch.setattr(cluster_module, "PAGE", 2)
    jobs = [{"metadata": {"uid": str(n), "name": f"j{n}", "resourceVersion": "5"}} for n in "123"]
    cluster, api = open_cluster()
    pages = {"": {"items": jobs[:2], "metadata": {"continue": "more"}}, "more": {"items": jobs[2:]}}

    async def call(method, path, *, query, **_):
        api.requests.append(query)
        return pages[query.get("continue", "")] if path == RUNTIMEJOBS else {"items": None}

    monkeypatch.setattr(api, "call", call)
    assert await cluster.list_versions() == {n: (f"j{n}", 5) for n in "123"}
    assert api.requests == [
        {"limit": "2"},
        {"limit": "2", "continue": "more"},
        *[{"limit": "2", "labelSelector": JOB_LABEL}] * 2,
    ]


@pytest.mark.parametrize("name", ["../secrets/mine", "a/b", "a?watch=true", "", "A"])
async def test_text_that_is_no_name_leads_to_no_request(name):
    """A RuntimeJob may name anything as its program, backend or session."""
    cluster, api = open_cluster()
    assert await cluster.get_program(name) is None
    assert await cluster.get_backend(name) is None
    assert await cluster.get_session(name) is None
    assert api.requests == []


async def test_reads_and_small_writes_go_where_they_belong():
    """Each call is one request of its kind."""
    cluster, api = open_cluster()
    assert await cluster.get_runtimejob("j") is None
    assert await cluster.get_program("mine") is None
    assert await cluster.find_secret("s") is None
    assert not await cluster.has_pod("p")
    await cluster.write_program_status("mine", {})
    await cluster.annotate("j", {"a": "b"})
    await cluster.create_event({})
    async with cluster.open_log("p") as log:
        assert [piece async for piece in log] == [b"line\n"]
    assert [(method, path) for method, path, _, _ in api.requests] == [
        ("GET", f"{RUNTIMEJOBS}/j"),
        ("GET", f"{PROGRAMS}/mine"),
        ("GET", f"{CORE}/secrets/s"),
        ("GET", f"{CORE}/pods/p"),
        ("PATCH", f"{PROGRAMS}/mine/status"),
        ("PATCH", f"{RUNTIMEJOBS}/j"),
        ("POST", f"{CORE}/events"),
        ("STREAM", f"{CORE}/pods/p/log"),
    ]


CLAIM = {"metadata": {"resourceVersion": "7", "ownerReferences": [{"uid": "u"}]}}


async def test_claim_is_a_compare_and_set():
    """The patch names the version that was seen; the API server refuses it if that has changed."""
    cluster, api = open_cluster(**{f"PATCH {JOBS}/r": owned("u")})
    assert await cluster.claim_job("r", CLAIM) == owned("u")
    assert api.requests == [("PATCH", f"{JOBS}/r", CLAIM, None)]
    cluster, _ = open_cluster(**{f"PATCH {JOBS}/r": TAKEN})
    with pytest.raises(Conflict):
        await cluster.claim_job("r", CLAIM)


@pytest.mark.parametrize("there", [{}, owned("another"), {"metadata": {"name": "r"}}])
async def test_claim_that_was_not_answered_is_looked_for(there):
    """It may have succeeded; nobody's Job, and another's, are none of ours."""
    lost = {f"PATCH {JOBS}/r": Unanswered("away")}
    cluster, _ = open_cluster(**lost, **{f"GET {JOBS}/r": owned("u")})
    assert await cluster.claim_job("r", CLAIM) == owned("u")
    cluster, _ = open_cluster(**lost, **{f"GET {JOBS}/r": there})
    with pytest.raises(Unanswered):
        await cluster.claim_job("r", CLAIM)


async def test_job_that_waits_is_deleted_as_it_was_seen():
    """One that was claimed meanwhile has another version, and stays."""
    cluster, api = open_cluster()
    await cluster.delete_idle_job("r", "u", 7)
    seen = {"uid": "u", "resourceVersion": "7"}
    body = {"propagationPolicy": "Background", "preconditions": seen}
    assert api.requests == [("DELETE", f"{JOBS}/r", body, None)]
