"""The cache of a kind: newest versions win, whatever the order of what is observed."""

import logging

import pytest

from qiskit_runtime.cluster.cache import ResourceCache
from qiskit_runtime.contract.resources.resource import Manifest


def make(name: str = "one", uid: str = "a", version: int = 1, value: str = "x") -> Manifest:
    return {
        "kind": "Thing",
        "metadata": {"name": name, "uid": uid, "resourceVersion": str(version)},
        "value": value,
    }


def deleting(manifest: Manifest) -> Manifest:
    """Return the manifest of an object whose deletion was requested."""
    metadata = manifest["metadata"] | {"deletionTimestamp": "2026-01-01T00:00:00Z"}
    return manifest | {"metadata": metadata}


def parse(manifest: Manifest) -> str:
    if manifest["value"] == "malformed":
        raise ValueError("its value is wrong")
    return str(manifest["value"])


@pytest.fixture
def cache() -> ResourceCache[str]:
    return ResourceCache(parse)


def test_an_older_version_never_replaces_a_newer_one(cache: ResourceCache[str]) -> None:
    """Versions may come out of order, and the newest stays."""
    cache.put(make(version=5, value="new"))
    cache.put(make(version=4, value="old"))
    assert cache.find("one") == "new" and cache.newest == 5


def test_a_deletion_removes_the_object_of_its_uid_alone(cache: ResourceCache[str]) -> None:
    """A late deletion does not remove the successor of the same name."""
    cache.put(make(uid="b", version=5))
    cache.drop(make(uid="a", version=6))
    assert cache.holds("one", "b") and cache.newest == 6
    cache.drop(make(uid="b", version=7))
    assert not cache.holds("one")


def test_an_object_that_was_deleted_does_not_come_back_by_an_old_answer(
    cache: ResourceCache[str],
) -> None:
    """Versions up to the known one change nothing."""
    cache.put(make(version=5))
    cache.drop(make(version=6))
    cache.advance(6)
    cache.put(make(version=5))
    assert cache.find("one") is None


@pytest.mark.parametrize("is_first", [True, False])
def test_a_predecessor_on_its_way_out_never_replaces_its_successor(
    cache: ResourceCache[str], is_first: bool
) -> None:
    """The successor stays, in whichever order both are observed."""
    old = deleting(make(uid="a", version=9, value="old"))
    new = make(uid="b", version=7, value="new")
    for manifest in (old, new) if is_first else (new, old):
        cache.put(manifest)
    assert cache.find("one") == "new"


def test_a_list_removes_what_it_lacks_and_keeps_what_is_newer(cache: ResourceCache[str]) -> None:
    """An object that came after the list stays."""
    cache.put(make("gone", uid="a", version=3))
    cache.put(make("listed", uid="b", version=4))
    cache.put(make("newer", uid="c", version=9))
    cache.keep_only({"b"}, version=8)
    assert [key for key, _ in cache.observed()] == ["listed", "newer"]


def test_a_malformed_object_has_no_value_and_is_logged_once(
    cache: ResourceCache[str], caplog: pytest.LogCaptureFixture
) -> None:
    """All versions of the object share one log line."""
    with caplog.at_level(logging.WARNING):
        cache.put(make(version=1, value="malformed"))
        cache.put(make(version=2, value="malformed"))
    assert cache.holds("one") and cache.find("one") is None and cache.all() == []
    assert [record.getMessage() for record in caplog.records] == [
        "Thing one is left out: its value is wrong"
    ]
    cache.put(make(version=3, value="good"))
    assert cache.all() == ["good"]


def test_a_key_of_its_own_keeps_objects_apart_from_their_names() -> None:
    """Pods, for one, are kept by the name of their Kubernetes Job."""
    cache = ResourceCache(parse, lambda manifest: f"of-{manifest['metadata']['uid']}")
    cache.put(make("first", uid="a", version=1))
    cache.put(make("second", uid="b", version=2, value="y"))
    assert cache.find("of-b") == "y"
    cache.drop(make("first", uid="a", version=3))
    assert [key for key, _ in cache.observed()] == ["of-b"]


def test_a_listener_hears_of_each_change_of_its_key_until_it_leaves(
    cache: ResourceCache[str],
) -> None:
    """Changes of other keys, and none at all, wake nobody."""
    heard: list[str] = []
    with cache.listening("one", lambda: heard.append("!")):
        cache.put(make(version=1))
        cache.put(make("other", uid="b", version=2))
        cache.put(make(version=1))
        cache.drop(make(version=3))
        cache.put(make(version=4))
        cache.clear()
    cache.put(make(version=5))
    assert heard == ["!"] * 4


@pytest.mark.anyio
async def test_a_wait_ends_when_the_version_is_reached(cache: ResourceCache[str]) -> None:
    """A version that is known already ends it at once; its time ends it else."""
    assert not await cache.wait_until(lambda: cache.version >= 3, 0.01)
    cache.advance(3)
    assert await cache.wait_until(lambda: cache.version >= 3, 0.01)


def test_groups_and_totals_follow_the_objects():
    """An object is in the group of its newest version; whoever adds up hears of each change."""
    changes = []
    cache = ResourceCache(
        lambda manifest: manifest["spec"],
        group_of=lambda spec: spec["group"],
        swapped=lambda before, after: changes.append((before, after)),
    )

    def put(name, version, group):
        identity = {"name": name, "uid": name, "resourceVersion": str(version)}
        cache.put({"metadata": identity, "spec": {"group": group, "version": version}})

    put("a", 1, "x")
    put("b", 2, "x")
    put("c", 3, "")
    assert [one["version"] for one in cache.group("x")] == [1, 2]
    put("a", 4, "x")
    put("b", 5, "y")
    assert [one["version"] for one in cache.group("x")] == [4]
    assert [one["version"] for one in cache.group("y")] == [5]
    put("a", 1, "y")
    cache.discard("b")
    assert cache.group("y") == [] and len(cache.group("x")) == 1
    cache.clear()
    assert cache.group("x") == [] and cache.all() == [] and not cache._groups
    assert [before and before["version"] for before, _ in changes[3:]] == [1, 2, 5, 4, 3]
    assert [after and after["version"] for _, after in changes] == [1, 2, 3, 4, 5] + [None] * 3


def test_object_that_breaks_its_parser_is_malformed(caplog):
    """Whatever the error is, the others are taken up, and its next version may be good."""

    def parse_or_break(manifest):
        if manifest["value"] == "bad":
            raise RuntimeError("boom")
        return manifest["value"]

    cache = ResourceCache(parse_or_break)
    cache.put(make(value="x"))
    cache.put(make(version=2, value="bad"))
    cache.put(make("two", "b", 3))
    assert cache.find("one") is None and cache.holds("one") and cache.find("two") == "x"
    assert "boom" in caplog.text
    cache.put(make(version=4, value="good"))
    assert cache.find("one") == "good"
