"""The history of a fault, and the invariants that it must keep. Pure.

A fault's script does harm; the recorder writes down every watch event and every websocket frame;
``find_violations`` looks at nothing else. Each invariant answers a failure that systems of this
kind are known for: a result overwritten, a job run twice, a message lost or doubled.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

FINAL = ("Completed", "Failed", "Cancelled")

MOMENT_SECONDS = 5.0
"""How long a pool may be over its bound: two operators fill it, and each sees the other's pods."""


@dataclass(frozen=True)
class WatchEvent:
    """An event of a watch. ``owner`` is the uid of the RuntimeJob that owns the object.

    ``ran`` is whether a pod's container has started, and did not refuse its input; ``unused``,
    whether it has waited for a job in vain. ``pool`` is the resource class of a Kubernetes Job
    that waits for a RuntimeJob (empty is none), and None of anything else.
    """

    seconds: float
    kind: str
    type: str
    name: str
    uid: str
    owner: str = ""
    phase: str = ""
    reason: str = ""
    result: str | None = None
    ran: bool = False
    unused: bool = False
    pool: str | None = None


@dataclass
class Listener:
    """The life of a websocket client: its frames, over all its connections, and its last close."""

    job: str
    frames: list[str] = field(default_factory=list)
    connections: int = 0
    close_code: int | None = None


@dataclass
class History:
    """All that was recorded. ``counts`` is how many numbered frames each job publishes."""

    events: list[WatchEvent] = field(default_factory=list)
    listeners: list[Listener] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    results: dict[str, str] = field(default_factory=dict)
    """By job: the result's text as the REST API gave it in the end."""
    bounds: dict[str, int] = field(default_factory=dict)
    """By resource class: how many pods may wait for a job at most, where that is to be checked."""

    def phases(self) -> dict[str, list[str]]:
        """By RuntimeJob's uid: its phases in the order in which they came."""
        phases: dict[str, list[str]] = defaultdict(list)
        for event in self.events:
            if event.kind == "RuntimeJob" and event.type != "DELETED":
                known = phases[event.uid]
                if not known or known[-1] != event.phase:
                    known.append(event.phase)
        return phases

    def names(self) -> dict[str, str]:
        """By uid: the names of the RuntimeJobs."""
        return {event.uid: event.name for event in self.events if event.kind == "RuntimeJob"}

    def deleted(self) -> set[str]:
        """The uids of the RuntimeJobs that were deleted."""
        return {e.uid for e in self.events if e.kind == "RuntimeJob" and e.type == "DELETED"}


def find_violations(history: History) -> list[str]:
    """Return the violations of the invariants, a sentence each."""
    return [
        *_check_phases(history),
        *_check_single_run(history),
        *_check_nothing_runs_later(history),
        *_check_frames(history),
        *_check_results(history),
        *_check_nothing_left(history),
        *_check_pools(history),
    ]


def expected_result(count: int) -> str:
    """The JSON text of what the program of ``stand.COUNT`` returns."""
    digest = hashlib.sha256("".join(map(str, range(1, count + 1))).encode()).hexdigest()
    return json.dumps({"n": count, "sha256": digest})


def _check_phases(history: History) -> Iterator[str]:
    """I1 and I3: every job has exactly one end, and never leaves it."""
    order = ["Queued", "Running", *FINAL]
    names, deleted = history.names(), history.deleted()
    for uid, phases in history.phases().items():
        course = " -> ".join(phases)
        ends = [phase for phase in phases if phase in FINAL]
        if len(ends) > 1 or (ends and phases[-1] not in FINAL):
            yield f"{names[uid]} left a final phase: {course}"
        elif [order.index(phase) for phase in phases] != sorted(map(order.index, phases)):
            yield f"{names[uid]} went back: {course}"
        if not ends and uid not in deleted:
            yield f"{names[uid]} has no end: {course}"


def _check_single_run(history: History) -> Iterator[str]:
    """I2: at most one Kubernetes Job of each RuntimeJob, and at most one pod that ran.

    A Job that was claimed, and whose pod ended without having had the RuntimeJob, is not counted.
    Nor is one that a second operator made where the first had claimed another: it has run nothing.
    """
    names = history.names()
    jobs: dict[str, set[str]] = defaultdict(set)
    for event in history.events:
        if event.kind == "Job" and event.owner:
            jobs[event.owner].add(event.uid)
    ran = _find_pods_that_ran(history)
    claimed = {one.uid for one in history.events if one.kind == "Job" and _is_warm(one.name)}
    unused = {event.owner for event in history.events if event.kind == "Pod" and event.unused}
    for uid, every in jobs.items():
        spare = every if every & claimed else every & unused
        found = {job for job in every if job not in spare or _has_run(job, ran)}
        if len(found) > 1:
            yield f"{names.get(uid, uid)} had {len(found)} objects of the kind Job"
        if (runs := sum(pod.owner in found for pod in ran)) > 1:
            yield f"{names.get(uid, uid)} ran {runs} times"


def _is_warm(job: str) -> bool:
    return job.startswith("warm-")


def _has_run(job: str, ran: list[WatchEvent]) -> bool:
    return any(pod.owner == job for pod in ran)


def _find_pods_that_ran(history: History) -> list[WatchEvent]:
    """Return the last event of each pod that ran."""
    last = {event.uid: event for event in history.events if event.kind == "Pod"}
    return [event for event in last.values() if event.ran]


def _check_nothing_runs_later(history: History) -> Iterator[str]:
    """I2: no pod of a RuntimeJob is new, and runs, after its end."""
    ends = {e.uid: e.seconds for e in history.events if e.kind == "RuntimeJob" and e.phase in FINAL}
    owners = {event.uid: event.owner for event in history.events if event.kind == "Job"}
    for pod in _find_pods_that_ran(history):
        owner = owners.get(pod.owner, "")
        first = min(event.seconds for event in history.events if event.uid == pod.uid)
        if first > ends.get(owner, first):
            yield f"{history.names().get(owner, owner)} ran after its end, in {pod.name}"


def _check_frames(history: History) -> Iterator[str]:
    """I5: every listener got each frame once and in order, and all of them if the job completed."""
    ends = {history.names()[uid]: phases[-1] for uid, phases in history.phases().items()}
    for number, listener in enumerate(history.listeners):
        who = f"listener {number} of {listener.job}"
        messages = [json.loads(text) for text in listener.frames]
        numbers = [message["n"] for message in messages if "sha256" not in message]
        if numbers != list(range(1, len(numbers) + 1)):
            wrong = next(i for i, n in enumerate(numbers) if n != i + 1)
            yield f"{who}: {numbers[wrong]} came after {numbers[:wrong][-1:] or 'nothing'}"
        finals = [text for text in listener.frames if "sha256" in text]
        if len(finals) > 1 or (finals and listener.frames[-1] != finals[0]):
            yield f"{who}: the final frame came {len(finals)} times, or not as the last"
        if ends.get(listener.job) == "Completed":
            if len(numbers) != history.counts[listener.job]:
                yield f"{who}: {len(numbers)} of {history.counts[listener.job]} frames"
            if not finals:
                yield f"{who}: no final frame"


def _check_nothing_left(history: History) -> Iterator[str]:
    """I8: what a deleted RuntimeJob caused is deleted too: its Kubernetes Job, and the pod."""
    gone = {event.uid for event in history.events if event.type == "DELETED"}
    names, owners = history.names(), history.deleted()
    for kind in ("Job", "Pod"):
        owned = {e.uid: e for e in history.events if e.kind == kind and e.owner in owners}
        for uid, event in owned.items():
            if uid not in gone:
                yield f"the {kind} {event.name} outlived {names.get(event.owner, 'its owner')}"
        owners = set(owned)


def _check_pools(history: History) -> Iterator[str]:
    """I9: no pool is over its bound for longer than a moment."""
    for name, bound in history.bounds.items():
        waiting: set[str] = set()
        since, most = None, bound
        for event in history.events:
            if event.kind == "Job":
                waits = event.pool == name and event.type != "DELETED"
                waiting = waiting | {event.uid} if waits else waiting - {event.uid}
            if len(waiting) <= bound:
                since, most = None, bound
                continue
            since, most = event.seconds if since is None else since, max(most, len(waiting))
            if event.seconds - since > MOMENT_SECONDS:
                what = f"the pool of the class {name}" if name else "the pool"
                yield f"{what} has {most} pods, and may have {bound}, at {event.seconds:.1f} s"
                break


def _check_results(history: History) -> Iterator[str]:
    """I4: a result is byte for byte what the program returned, wherever it is read."""
    names = history.names()
    for event in history.events:
        if event.kind == "RuntimeJob" and event.phase == "Completed" and event.type != "DELETED":
            name = names[event.uid]
            want = expected_result(history.counts[name])
            for where, text in (
                ("its status", event.result),
                ("the REST API", history.results.get(name, want)),
            ):
                if _digest(text or "") != _digest(want):
                    yield f"{name}: the result on {where} is {text!r}"
    for listener in history.listeners:
        for text in listener.frames:
            if "sha256" in text and _digest(text) != _digest(
                expected_result(history.counts[listener.job])
            ):
                yield f"a listener of {listener.job} got the result {text!r}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
