"""The checker of the invariants: it finds each violation, and nothing in a history without."""

import pytest

from tests.faults.history import History, Listener, WatchEvent, expected_result, find_violations

COUNT = 3
RESULT = expected_result(COUNT)
FRAMES = [f'{{"n": {number}}}' for number in range(1, COUNT + 1)] + [RESULT]


def make_history(phases=("Queued", "Running", "Completed"), frames=FRAMES, **more):
    """The history of one job with one listener."""
    events = [
        WatchEvent(
            seconds=1.0, kind="RuntimeJob", type="MODIFIED", name="j", uid="u", phase=phase,
            result=RESULT if phase == "Completed" else None,
        )
        for phase in phases
    ]  # fmt: skip
    events += [WatchEvent(2.0, kind, "ADDED", "k", uid, owner="u") for kind, uid in (("Job", "1"),)]
    listener = Listener("j", list(frames), 1, 1000)
    return History(events, [listener], {"j": COUNT}, {"j": more.get("result", RESULT)})


def test_good_history_has_no_violation():
    """A job that went its way is not complained of."""
    assert find_violations(make_history()) == []


BROKEN = {
    "two ends": ({"phases": ("Queued", "Running", "Completed", "Failed")}, "left a final phase"),
    "an end that is left": ({"phases": ("Queued", "Completed", "Running")}, "left a final phase"),
    "back": ({"phases": ("Running", "Queued", "Completed")}, "went back"),
    "no end": ({"phases": ("Queued", "Running")}, "no end"),
    "lost frame": ({"frames": [FRAMES[0], *FRAMES[2:]]}, "3 came after [1]"),
    "frame twice": ({"frames": [FRAMES[0], *FRAMES]}, "1 came after [1]"),
    "wrong order": ({"frames": [FRAMES[1], FRAMES[0], *FRAMES[2:]]}, "came after"),
    "lost tail": ({"frames": FRAMES[:2]}, "2 of 3 frames"),
    "no final": ({"frames": FRAMES[:3]}, "no final frame"),
    "final twice": ({"frames": [*FRAMES, RESULT]}, "came 2 times"),
    "other result": ({"result": RESULT.replace("3", "4")}, "the result on the REST API"),
    "other final": ({"frames": [*FRAMES[:3], RESULT + " "]}, "got the result"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_violation_is_found(case):
    """Each broken invariant is named."""
    changes, words = BROKEN[case]
    assert any(words in found for found in find_violations(make_history(**changes)))


def test_claimed_job_whose_pod_had_no_job_is_no_second_one():
    """A pod that was claimed and ended without the job leaves its place to another."""
    history = make_history()
    history.events.append(WatchEvent(1.5, "Job", "MODIFIED", "warm-1", "2", owner="u"))
    history.events.append(WatchEvent(1.6, "Pod", "MODIFIED", "p", "3", owner="2", unused=True))
    assert find_violations(history) == []
    history.events.append(WatchEvent(0.7, "Pod", "ADDED", "q", "4", owner="2", ran=True))
    assert find_violations(history) == []
    history.events.append(WatchEvent(0.8, "Pod", "ADDED", "r", "5", owner="1", ran=True))
    assert any("2 objects of the kind Job" in found for found in find_violations(history))


def test_second_job_is_found():
    """Two Kubernetes Jobs of one RuntimeJob are a violation."""
    history = make_history()
    history.events.append(WatchEvent(3.0, "Job", "ADDED", "k2", "2", owner="u"))
    assert any("2 objects of the kind Job" in found for found in find_violations(history))


def pod(seconds, uid, *, ran):
    """A pod of the good history's Kubernetes Job."""
    return WatchEvent(seconds, "Pod", "MODIFIED", uid, uid, owner="1", ran=ran)


def test_second_run_is_found():
    """Two pods that ran are a violation; one that never started, or refused its input, is none."""
    history = make_history()
    history.events = [pod(0.5, "p", ran=True), pod(0.6, "q", ran=True), *history.events]
    assert "j ran 2 times" in find_violations(history)
    history.events.append(pod(0.9, "q", ran=False))
    assert find_violations(history) == []


def test_run_after_the_end_is_found():
    """A pod that comes when its RuntimeJob has ended, and runs, is a violation."""
    history = make_history()
    history.events.append(pod(9.0, "p", ran=True))
    assert find_violations(history) == ["j ran after its end, in p"]


@pytest.mark.parametrize("kind", ["Job", "Pod"])
def test_what_outlives_a_deleted_job_is_found(kind):
    """A Kubernetes Job, or its pod, that stays when its RuntimeJob was deleted is a violation."""

    def tell(change, of, uid, owner=""):
        return WatchEvent(4.0, of, change, of.lower(), uid, owner=owner, phase="Running")

    history = History([tell("ADDED", "RuntimeJob", "u"), tell("DELETED", "RuntimeJob", "u")])
    history.events += [tell("ADDED", "Job", "j", "u"), tell("ADDED", "Pod", "p", "j")]
    gone = {"Job": ("Pod", "p", "j"), "Pod": ("Job", "j", "u")}[kind]
    history.events.append(tell("DELETED", *gone))
    assert [found.startswith(f"the {kind} ") for found in find_violations(history)] == [True]
    history.events += [tell("DELETED", "Job", "j", "u"), tell("DELETED", "Pod", "p", "j")]
    assert find_violations(history) == []


BOTH = [WatchEvent(1.0, "Job", "ADDED", "w", uid, pool="large") for uid in "ab"]
POOLS = {
    "full": ({"large": 2}, BOTH, []),
    "over its bound for a moment": (
        {"large": 1}, [*BOTH, WatchEvent(4.0, "Job", "DELETED", "w", "a", pool="large")], [],
    ),
    "claimed a moment later": (
        {"large": 1}, [*BOTH, WatchEvent(4.0, "Job", "MODIFIED", "w", "a", owner="v")], [],
    ),
    "over its bound": ({"large": 1}, BOTH, ["the pool of the class large has 2 pods"]),
    "another class": ({"": 1}, BOTH, []),
}  # fmt: skip


@pytest.mark.parametrize(("bounds", "events", "words"), POOLS.values(), ids=POOLS)
def test_pool_over_its_bound_is_found(bounds, events, words):
    """Two operators may fill it together, and take that back soon."""
    history = make_history()
    history.bounds = bounds
    history.events += [*events, WatchEvent(9.0, "Pod", "MODIFIED", "p", "p")]
    assert [found.split(",")[0] for found in find_violations(history)] == words
