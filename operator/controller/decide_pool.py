"""Decide how many pods wait for a job, and which go: one pure function. Its test is the table."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from controller.observe.objects import KubernetesJob
from controller.observe.pool_view import (
    DEMAND_SECONDS,
    REFILL_SECONDS,
    ROOM_SECONDS,
    IdlePod,
    Nodes,
    Place,
    PoolView,
)

FAULT_SECONDS = 30.0
"""How long a pod that ended by itself keeps its place: one that can't start is not made at once."""

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class PoolStep:
    """The change of the pool: Jobs to delete and to make; ``seconds`` until the next look.

    ``make`` has for each one that is made the place that it is to take.
    """

    delete: tuple[KubernetesJob, ...] = ()
    make: tuple[Place, ...] = ()
    seconds: float | None = None
    makes_room: bool = False
    """Whether some are deleted for jobs that wait for room."""


def decide_pool(view: PoolView, now: datetime) -> PoolStep:
    """Return what is to be done with the pool. Pure.

    While a job waits for room in a quota, no pod is made, and while one waits for a node, none that
    could take the same nodes. For each such job one of these that waits is deleted: those first
    that are furthest from being ready. One that has no node, or for a quota no pod, gives no room
    and may take the job's: all of them go.
    """
    wanted = _count_wanted(view)
    gone = [one for one in view.idle if _has_to_go(one, wanted.get(one.place, 0), now)]
    ended = [one for one in view.idle if one.is_over and one not in gone]
    kept = [one for one in view.idle if one not in gone and one not in ended]
    missing: list[Place] = []
    for place in {one.place for one in view.idle} | set(wanted):
        there, number = [one for one in kept if one.place == place], wanted.get(place, 0)
        held = sum(one.place == place for one in ended)
        missing += [place] * (number - len(there) - held)
        gone += _choose_surplus(there, len(there) - number)
    victims = _choose_victims(view, kept, gone)
    is_full = view.refused or view.is_quota_full
    missing = [one for one in missing if not (is_full or view.is_needed(view.nodes_of(one)))]
    delete = tuple(one.run for one in gone + victims)
    make = tuple(sorted(missing)[view.recent_claims :])
    return PoolStep(delete, make, _seconds_to_wait(view), makes_room=bool(victims))


def _choose_victims(view: PoolView, kept: list[IdlePod], gone: list[IdlePod]) -> list[IdlePod]:
    """Return the pods that make room for jobs, besides those of ``kept`` that go anyway."""
    victims: list[IdlePod] = []
    if view.makes_room:
        return victims
    waiting: list[tuple[Nodes | None, int]] = [*view.homeless.items()]
    if view.refused:
        waiting.append((None, view.refused))
    for nodes, number in waiting:
        near = [one for one in kept if nodes is None or view.nodes_of(one.place).may_overlap(nodes)]
        giving = [one for one in near if _gives_room(one, nodes)]
        left = [one for one in near if one not in gone and one not in victims]
        victims += [one for one in left if one not in giving and not one.is_taken]
        missing = number - sum(one in gone for one in giving)
        # First those that are certain to be on nodes that do, then those that may be.
        same = [one for one in left if one in giving and view.nodes_of(one.place) == nodes]
        chosen = _choose_surplus(same, missing)
        others = [one for one in left if one in giving and one not in same]
        victims += chosen + _choose_surplus(others, missing - len(chosen))
    return victims


def _gives_room(one: IdlePod, nodes: Nodes | None) -> bool:
    """Return whether the end of a pod gives room on nodes, or in a quota if that is None."""
    return one.pod is not None if nodes is None else one.has_node


def _count_wanted(view: PoolView) -> dict[Place, int]:
    """Return how many pods should wait, by their place.

    More wait while many jobs start, and fewer when they do not.
    """
    settings, starts = view.settings, view.recent_starts
    wanted = {
        Place(name): pool.count_wanted(starts.get(name, 0)) for name, pool in settings.pools.items()
    }
    if each := settings.per_session:
        wanted |= dict.fromkeys(view.sessions[: settings.most_of_sessions // each], each)
    return wanted


def _has_to_go(one: IdlePod, wanted: int, now: datetime) -> bool:
    if one.is_taken:
        return False
    if one.is_over:
        # One that somebody has deleted was no fault of its own.
        return not wanted or one.pod is None or one.seen_seconds > FAULT_SECONDS
    return one.is_broken or not one.is_current or one.is_old(now) or one.is_stuck


def _choose_surplus(kept: Sequence[IdlePod], number: int) -> list[IdlePod]:
    free = [one for one in kept if not one.is_taken]
    # A pod that no node takes goes first, one that has waited longest stays: for all operators.
    free.sort(key=lambda one: (one.run.created or _LONG_AGO, one.run.name), reverse=True)
    free.sort(key=lambda one: (one.is_ready, one.has_node))
    return free[: max(number, 0)]


def _seconds_to_wait(view: PoolView) -> float | None:
    """Return the time until the pool may have to change without an event."""
    if view.recent_claims:
        return REFILL_SECONDS
    if view.waits_for_room and view.idle:
        return ROOM_SECONDS
    if not view.settings.is_on and not view.idle:
        return None
    return DEMAND_SECONDS
