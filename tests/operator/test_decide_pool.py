"""The pool of pods that wait for a job: this table is the specification of its size."""

import pytest

from controller.decide_pool import FAULT_SECONDS, decide_pool
from controller.observe.parse import parse_job
from controller.observe.pool_view import (
    ANY_NODE,
    DEMAND_SECONDS,
    OLD_SECONDS,
    READY_SECONDS,
    REFILL_SECONDS,
    ROOM_SECONDS,
    IdlePod,
    Nodes,
    Place,
    PoolView,
)
from controller.settings import WarmPoolSettings
from qiskit_runtime.contract.resources.resource import CLASS_LABEL, SESSION_LABEL
from tests.operator.manifests import (
    NOW,
    ago,
    make_warm_pod,
    make_warm_run,
    warm_run_manifest,
)

NO_NODE = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes"}
UNUSED = {"terminated": {"exitCode": 75, "startedAt": ago(50), "finishedAt": ago(5)}}
GPU_NODES = Nodes(frozenset({("gpu", "true")}), '["gpu"]')
"""Nodes with a taint."""
FAST_NODES = Nodes(frozenset({("disk", "ssd")}))
"""Nodes with a label."""


def ready(name, **fields):
    """A pod that waits for a job."""
    return IdlePod(make_warm_run(name), make_warm_pod(name), **{"is_current": True, **fields})


def starting(name):
    """A pod that has a node and is not ready yet."""
    return IdlePod(make_warm_run(name), make_warm_pod(name, ready=False), is_current=True)


def stuck(name, seconds, clock=0):
    """A pod that has run for so long, and is not ready; its node's clock is ``clock`` ahead."""
    state = {"running": {"startedAt": ago(seconds - clock)}}
    pod = make_warm_pod(name, state, ready=False)
    return IdlePod(make_warm_run(name), pod, is_current=True, seen_seconds=seconds)


def unreachable(name, **metadata):
    """A pod that was ready for long, until its node was lost."""
    state = {"running": {"startedAt": ago(READY_SECONDS + 1)}}
    lost = [{"type": "Ready", "status": "False"}]
    pod = make_warm_pod(name, state, conditions=lost, **metadata)
    return IdlePod(make_warm_run(name), pod, is_current=True, seen_seconds=READY_SECONDS + 1)


def homeless(name):
    """A pod that no node takes."""
    pod = make_warm_pod(name, {}, ready=False, node="", conditions=[NO_NODE])
    return IdlePod(make_warm_run(name), pod, is_current=True)


def over(name, seconds=5, clock=0):
    """A pod that has ended without a job so long ago; its node's clock is ``clock`` ahead."""
    state = {"terminated": {"exitCode": 75, "finishedAt": ago(seconds - clock)}}
    pod = make_warm_pod(name, state)
    return IdlePod(make_warm_run(name), pod, is_current=True, seen_seconds=seconds)


def rejected(name, seconds, is_there=True):
    """A pod that a kubelet did not take so many seconds ago."""
    run = warm_run_manifest(name)
    run["status"] = {"conditions": [{"type": "Failed", "status": "True"}]}
    pod = make_warm_pod(name, {}, ready=False, status={"phase": "Failed", "reason": "Evicted"})
    shown = pod if is_there else None
    return IdlePod(parse_job(run), shown, is_current=True, seen_seconds=seconds)


def old(name):
    """A pod that has waited for long."""
    run = make_warm_run(name, creationTimestamp=ago(OLD_SECONDS + 1))
    return IdlePod(run, make_warm_pod(name), is_current=True)


def held(name, session):
    """A pod that waits for a job of this session."""
    run = make_warm_run(name, labels={SESSION_LABEL: session})
    return IdlePod(run, make_warm_pod(name), is_current=True)


def of_class(name, resource_class, session="", **fields):
    """A pod of a resource class that waits for a job."""
    labels = {CLASS_LABEL: resource_class} | ({SESSION_LABEL: session} if session else {})
    run = make_warm_run(name, labels=labels)
    return IdlePod(run, make_warm_pod(name), **{"is_current": True, **fields})


def pool(*idle, size=2, max_size=0, starts=0, claims=0, waiting=0, each=0, sessions="", **more):
    """The view of a pool; ``starts`` is a number, or numbers by class, ``sessions`` their names."""
    classes = more.pop("classes", {})
    settings = WarmPoolSettings(size=size, max_size=max_size, per_session=each, classes=classes)
    starts = starts if isinstance(starts, dict) else {"": starts}
    places = tuple(Place("", name) if isinstance(name, str) else name for name in sessions)
    waiting = {"homeless": waiting} if isinstance(waiting, dict) else {"refused": waiting}
    demand = {"recent_starts": starts, "recent_claims": claims, **waiting}
    return PoolView(settings, idle, places, **demand, **more)


LARGE = {"large": {"size": 1, "maxSize": 3}}
GPU = {"nodes": {"large": GPU_NODES}}
FAST = {"nodes": {"large": FAST_NODES}}
SLOW = Nodes(frozenset({("disk", "hdd")}))


CASES = {
    "off": (pool(size=0), [], 0),
    "turned off": (pool(ready("a"), over("b"), size=0), ["b", "a"], 0),
    "empty": (pool(), [], 2),
    "one was claimed": (pool(ready("a")), [], 1),
    "one was claimed a moment ago: its job starts first": (pool(ready("a"), claims=1), [], 0),
    "one of those that are missing was claimed a moment ago": (pool(claims=1), [], 1),
    "one is on its way": (pool(ready("a"), starting("b")), [], 0),
    "one was made a moment ago, and has no pod yet": (
        pool(ready("a"), IdlePod(make_warm_run("b"), None, is_current=True)), [], 0,
    ),
    "full": (pool(ready("a"), ready("b")), [], 0),
    "one too many: the newest goes": (pool(ready("a"), ready("b"), ready("c")), ["c"], 0),
    "one too many: one that is not ready goes": (
        pool(starting("a"), ready("b"), ready("c")), ["a"], 0,
    ),
    "one too many: one without a node goes": (
        pool(starting("a"), homeless("b"), ready("c")), ["b"], 0,
    ),
    "one too many, and a job is about to claim it": (
        pool(ready("a"), ready("b"), ready("c", is_taken=True)), ["b"], 0,
    ),
    "many jobs start": (pool(ready("a"), ready("b"), max_size=8, starts=3), [], 3),
    "more jobs start than there may be pods": (pool(max_size=4, starts=30), [], 4),
    "the bound is below the size": (pool(max_size=1, starts=9), [], 2),
    "the rush is over": (pool(*map(ready, "abcd"), max_size=8), ["d", "c"], 0),
    "another image": (pool(ready("a", is_current=False), ready("b")), ["a"], 1),
    "it does not answer": (pool(ready("a", is_broken=True), ready("b")), ["a"], 1),
    "it ends by itself soon": (pool(old("a"), ready("b")), ["a"], 1),
    "it does not become ready": (pool(stuck("a", READY_SECONDS + 1), ready("b")), ["a"], 1),
    "its node is lost, perhaps for a moment": (pool(unreachable("a"), ready("b")), [], 0),
    "its node is lost, and the cluster has given it up": (
        pool(unreachable("a", deletionTimestamp=ago(200)), ready("b")), ["a"], 1,
    ),
    "it started a moment ago, by a clock that is behind": (
        pool(stuck("a", 3, clock=-READY_SECONDS), ready("b")), [], 0,
    ),
    "it does not become ready, by a clock that is ahead": (
        pool(stuck("a", READY_SECONDS + 1, clock=999), ready("b")), ["a"], 1,
    ),
    "it could not start, by a clock that is behind: not made again at once": (
        pool(over("a", clock=-FAULT_SECONDS), ready("b")), [], 0,
    ),
    "it becomes ready late": (pool(stuck("a", READY_SECONDS - 1), ready("b")), [], 0),
    "it could not start: not made again at once": (pool(over("a"), ready("b")), [], 0),
    "it could not start a while ago": (pool(over("a", FAULT_SECONDS + 1), ready("b")), ["a"], 1),
    "a kubelet has rejected it: not made again at once": (pool(rejected("a", 5)), [], 1),
    "a kubelet has rejected it a while ago": (pool(rejected("a", FAULT_SECONDS + 1)), ["a"], 2),
    "its pod was deleted": (pool(rejected("a", 5, is_there=False)), ["a"], 2),
    "a job waits for room": (pool(ready("a"), ready("b"), waiting=1), ["b"], 0),
    "a job waits for room: one on its way goes first": (
        pool(starting("a"), ready("b"), waiting=1), ["a"], 0,
    ),
    "more jobs wait for room than pods are there": (
        pool(ready("a"), homeless("b"), waiting=9), ["b", "a"], 0,
    ),
    "a job finds no node: a pod that has none gives no room, and goes too": (
        pool(homeless("a"), homeless("b"), starting("c"), ready("d"), size=4,
             waiting={ANY_NODE: 1}),
        ["a", "b", "c"], 0,
    ),
    "a job finds no node: one that is too many gives its room": (
        pool(homeless("a"), ready("b"), ready("c"), size=1, waiting={ANY_NODE: 1}), ["a", "c"], 0,
    ),
    "a quota refuses a job: a pod without a node gives room": (
        pool(homeless("a"), ready("b"), waiting=1), ["a"], 0,
    ),
    "a quota refuses a job: what waits for the same quota goes before pods that are newer": (
        pool(IdlePod(make_warm_run("a"), None, is_current=True), homeless("b"), homeless("c"),
             size=3, waiting=1),
        ["a", "c"], 0,
    ),
    "a quota is full, and each job was given room: none is made": (
        pool(ready("a"), is_quota_full=True), [], 0,
    ),
    "a quota refuses a job: what has no pod itself gives none, and goes too": (
        pool(IdlePod(make_warm_run("a"), None, is_current=True), ready("b"), waiting=1),
        ["a", "b"], 0,
    ),
    "no pod, and a job waits for room": (pool(waiting=1), [], 0),
    "a job waits for the room of a pod that was deleted": (
        pool(ready("a"), waiting=1, makes_room=True), [], 0,
    ),
    "a session is active": (pool(ready("a"), size=1, max_size=4, sessions="s", each=2), [], "ss"),
    "a session has its pod": (pool(held("a", "s"), size=0, sessions="s", each=1), [], 0),
    "a session is over": (
        pool(held("a", "s"), ready("b"), size=1, each=1), ["a"], 0,
    ),
    "more sessions than there may be pods: the first ones": (
        pool(size=0, max_size=4, sessions="stu", each=2), [], "sstt",
    ),
    "sessions, and they hold none": (pool(size=1, sessions="st"), [], 1),
    "a job waits for room, which a session that is over gives": (
        pool(held("a", "s"), ready("b"), size=1, each=1, waiting=1), ["a"], 0,
    ),
    "two jobs wait for room": (
        pool(held("a", "s"), ready("b"), size=1, each=1, waiting=2), ["a", "b"], 0,
    ),
    "a class has a pool of its own": (
        pool(classes=LARGE), [], [Place(), Place(), Place("large")],
    ),
    "a class has its pod, and that is no other's": (
        pool(of_class("a", "large"), size=1, classes=LARGE), [], 1,
    ),
    "a class alone has a pool": (pool(size=0, classes=LARGE), [], [Place("large")]),
    "many jobs of a class start: its pool alone grows": (
        pool(ready("a"), size=1, max_size=9, classes=LARGE, starts={"large": 7}),
        [], [Place("large")] * 3,
    ),
    "many jobs of no class start": (
        pool(of_class("a", "large"), size=1, max_size=3, classes=LARGE, starts=7), [], 3,
    ),
    "a class without a pool": (pool(size=0, classes={"large": {}}, starts={"large": 7}), [], 0),
    "the rush of a class is over": (
        pool(of_class("a", "large"), of_class("b", "large"), size=0, classes=LARGE), ["b"], 0,
    ),
    "a class was changed": (
        pool(of_class("a", "large", is_current=False), size=0, classes=LARGE),
        ["a"], [Place("large")],
    ),
    "a class was removed": (
        pool(of_class("a", "gone", is_current=False), ready("b"), size=1), ["a"], 0,
    ),
    "the pool of a class was turned off": (pool(of_class("a", "large"), size=0), ["a"], 0),
    "a quota has no room for jobs: the pods of every class give theirs": (
        pool(ready("a"), of_class("b", "large"), size=1, classes=LARGE, waiting=2), ["b", "a"], 0,
    ),
    "a job finds no node: those of a class on the same nodes give theirs": (
        pool(ready("a"), of_class("b", "large"), size=1, classes=LARGE, waiting={ANY_NODE: 2}),
        ["b", "a"], 0,
    ),
    "a job of a class finds none of its nodes: others keep their pods": (
        pool(ready("a"), of_class("b", "large"), classes=LARGE, waiting={GPU_NODES: 9}, **GPU),
        ["b"], 1,
    ),
    "a job finds none of the common nodes: those of a class keep their pods": (
        pool(ready("a"), size=1, classes=LARGE, waiting={ANY_NODE: 1}, **GPU),
        ["a"], [Place("large")],
    ),
    "a job of a class finds no node: pods of no class may be on one of its nodes": (
        pool(ready("a"), of_class("b", "large"), classes=LARGE, waiting={FAST_NODES: 1}, **FAST),
        ["b"], 0,
    ),
    "more jobs of a class find no node than it has pods": (
        pool(ready("a"), ready("c"), of_class("b", "large"), classes=LARGE,
             waiting={FAST_NODES: 2}, **FAST),
        ["b", "c"], 0,
    ),
    "a job finds no node: pods of a class may be on one that would do": (
        pool(of_class("b", "large"), size=0, classes=LARGE, waiting={ANY_NODE: 1}, **FAST),
        ["b"], 0,
    ),
    "a job finds none of the nodes with another label": (
        pool(of_class("b", "large"), size=0, classes=LARGE, waiting={SLOW: 1}, **FAST), [], 0,
    ),
    "jobs wait for nodes and for a quota": (
        pool(ready("a"), of_class("b", "large"), size=1, classes=LARGE, homeless={GPU_NODES: 1},
             waiting=1, **GPU),
        ["b", "a"], 0,
    ),
    "a session of a class is active": (
        pool(size=0, each=2, sessions=[Place("large", "s")]), [], [Place("large", "s")] * 2,
    ),
    "a session has its pod of its class": (
        pool(of_class("a", "large", "s"), size=0, each=1, sessions=[Place("large", "s")]), [], 0,
    ),
    "the backend of a session was given a class": (
        pool(held("a", "s"), size=0, each=1, sessions=[Place("large", "s")]),
        ["a"], [Place("large", "s")],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("view", "deleted", "made"), CASES.values(), ids=CASES)
def test_view_leads_to_its_step(view, deleted, made):
    """Each rule of the pool is one row: what is there, which go, and how many are made."""
    step = decide_pool(view, NOW)
    wanted = [Place()] * made if isinstance(made, int) else made
    wanted = tuple(Place("", name) if isinstance(name, str) else name for name in wanted)
    assert ([run.name for run in step.delete], step.make) == (deleted, wanted)


def test_pool_is_looked_at_when_demand_may_have_gone():
    """Without any event the number of pods comes down; a pool that is off sleeps."""
    assert decide_pool(pool(ready("a")), NOW).seconds == DEMAND_SECONDS
    assert decide_pool(pool(size=0), NOW).seconds is None
    assert decide_pool(pool(ready("a"), waiting=1), NOW).seconds == ROOM_SECONDS
    assert decide_pool(pool(ready("a"), claims=1), NOW).seconds == REFILL_SECONDS
