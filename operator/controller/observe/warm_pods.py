"""The pods that were started ahead: which of them may be claimed, and how many there are.

The observer finds one for a job that starts; the pool keeps their number.
"""

import json
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from controller.build.warm_job import digest_template
from controller.observe.cluster_view import ClusterView
from controller.observe.memory import JobMemory
from controller.observe.objects import KubernetesJob, Pod
from controller.observe.pod_state import NO_POD_SECONDS
from controller.observe.pool_view import (
    ANY_NODE,
    DEMAND_SECONDS,
    REFILL_SECONDS,
    ROOM_SECONDS,
    IdlePod,
    Nodes,
    Place,
    PoolView,
)
from controller.settings import PodSettings, RunnerSettings, WarmPoolSettings
from qiskit_runtime.contract.limits import INTERACTIVE_SECONDS
from qiskit_runtime.contract.resources.runtimesession import RuntimeSession
from qiskit_runtime.contract.resources.session import SessionState

PODLESS_SECONDS = 120.0
"""How long the lack of a job's pod is taken for a lack of room in a quota."""

HELPED_SECONDS = 60.0
"""How long no further pod is deleted for such a job."""

_State = tuple[bool, bool, bool]
"""Whether a pod is over, is starting, and is on a lost node."""


class WarmPods:
    """Finds pods for the jobs that start; ``wake`` has the pool looked at."""

    def __init__(
        self,
        view: ClusterView,
        memory: JobMemory,
        runner: RunnerSettings,
        settings: WarmPoolSettings,
    ) -> None:
        self._view, self._memory, self._settings = view, memory, settings
        key = settings.key.get_secret_value()
        settings_of = {name: runner.of(name) for name in ("", *runner.classes)}
        self._digests = {name: digest_template(one, key) for name, one in settings_of.items()}
        """By resource class: what the pods of its settings are labelled with."""
        self._nodes = {name: describe_nodes(one) for name, one in settings_of.items()}
        self._seen: dict[str, tuple[_State, datetime]] = {}
        """By Job: the state of its pod, and since when it is seen in it."""
        self._taken: dict[str, int] = {}
        """By Job: the version at which it was last taken; a newer one may be free again."""
        self._broken: set[str] = set()
        self._paused_until = datetime.min.replace(tzinfo=UTC)
        self._room_at: datetime | None = None
        self._starts: deque[tuple[datetime, str]] = deque()
        self._claims: deque[datetime] = deque()
        self._helped: dict[str, datetime] = {}
        """By job whose pod is not made: when a pod was deleted for it."""
        self.wake: Callable[[], None] = lambda: None

    def find(self, now: datetime, place: Place) -> tuple[KubernetesJob, Pod] | None:
        """Return the pod of a job's class that has waited longest; of its session first."""
        if now < self._paused_until or not self._settings.is_on:
            return None
        free = [
            one
            for one in self._idle()
            if one.is_ready and one.is_current and not one.is_old(now) and one.is_free
        ]
        mine = [one for one in free if one.place in (place, Place(place.resource_class))]
        if not mine:
            return None
        found = min(mine, key=lambda one: (not one.run.session, one.run.created or now))
        return (found.run, found.pod) if found.pod else None

    def take(self, run: KubernetesJob) -> bool:
        """Take a pod for a job that is about to claim it; False where another was faster."""
        if self._taken.get(run.name) == run.version:
            return False
        self._taken[run.name] = run.version
        return True

    def release(self, run: KubernetesJob) -> None:
        """Take a pod no more: it is as it was."""
        self._taken.pop(run.name, None)

    def give_up(self, run: KubernetesJob, pause_until: datetime | None = None) -> None:
        """Let nobody claim a pod any more; until the end of a pause, no other one either."""
        self._broken.add(run.name)
        self._paused_until = max(pause_until or self._paused_until, self._paused_until)
        self.release(run)
        self.wake()

    def note_start(self, now: datetime, resource_class: str) -> None:
        """Count the start of a job, with one of these pods or without."""
        if self._settings.is_on:
            self._starts.append((now, resource_class))
            self.wake()

    def note_claim(self, now: datetime) -> None:
        """Note that a job is about to claim a pod."""
        self._claims.append(now)

    def note_room(self, now: datetime) -> None:
        """Note that pods were deleted for jobs that wait for room."""
        self._room_at = now
        self._helped |= dict.fromkeys(self._find_podless(now) - self._helped.keys(), now)

    def observe(self, now: datetime) -> PoolView:
        """Return the view of the pool."""
        idle = self._look_at_idle(now)
        names = {one.run.name for one in idle}
        self._broken &= names
        self._taken = {name: version for name, version in self._taken.items() if name in names}
        podless = self._find_podless(now)
        helped_since = now - timedelta(seconds=HELPED_SECONDS)
        self._helped = {
            name: helped
            for name, helped in self._helped.items()
            if name in podless and helped > helped_since
        }
        demand_since = now - timedelta(seconds=DEMAND_SECONDS)
        while self._starts and self._starts[0][0] < demand_since:
            self._starts.popleft()
        refill_since = now - timedelta(seconds=REFILL_SECONDS)
        while self._claims and self._claims[0] < refill_since:
            self._claims.popleft()
        return PoolView(
            self._settings,
            idle,
            self._active_sessions(now),
            Counter(name for _, name in self._starts),
            len(self._claims),
            len(self._memory.lacks_room) + len(podless - self._helped.keys()),
            Counter(self._find_nodes(pod) for pod in self._view.homeless_pods()),
            self._nodes,
            self._room_at is not None and (now - self._room_at).total_seconds() < ROOM_SECONDS,
            is_quota_full=bool(self._memory.lacks_room or podless),
        )

    def _find_podless(self, now: datetime) -> set[str]:
        """Return the jobs whose pods are not made, as if for a quota; after a while it is not that.

        The Job controller tries again after 1 s, and after twice the time before each time.
        """
        waited = {
            name: (now - since).total_seconds()
            for name, since in self._memory.podless_since.items()
        }
        # A job is looked at again after that time, by Kubernetes' whole seconds.
        least, most = NO_POD_SECONDS - 1, NO_POD_SECONDS + PODLESS_SECONDS
        return {name for name, seconds in waited.items() if least < seconds < most}

    def _find_nodes(self, pod: Pod) -> Nodes:
        """Return the nodes that may run the pod of a job, by its Kubernetes Job's class."""
        run = self._view.jobs.find(pod.job_name)
        return self._nodes.get(run.resource_class if run else "", ANY_NODE)

    def _active_sessions(self, now: datetime) -> tuple[Place, ...]:
        """Return the places of the sessions that have jobs, or were opened a moment ago."""
        known = [one for one in self._view.sessions.all() if not one.is_deleted]
        active = [one for one in known if _is_active(one, now)]
        active.sort(key=lambda one: one.session.created)
        places = [Place(self._find_class(one), one.name) for one in active]
        return tuple(place for place in places if place.resource_class in self._digests)

    def _find_class(self, one: RuntimeSession) -> str:
        """Return the resource class of a session's jobs, by its backend."""
        backend = self._view.backends.find(one.session.spec.backend)
        return (backend.spec.resource_class or "") if backend and backend.spec else ""

    def _look_at_idle(self, now: datetime) -> tuple[IdlePod, ...]:
        """Return the pods that wait, each with the time for which it is seen in its state."""
        idle = self._idle()
        states = {one.run.name: _describe_state(one) for one in idle}
        self._seen = {
            name: seen if (seen := self._seen.get(name)) and seen[0] == state else (state, now)
            for name, state in states.items()
        }
        return tuple(
            replace(one, seen_seconds=(now - self._seen[one.run.name][1]).total_seconds())
            for one in idle
        )

    def _idle(self) -> list[IdlePod]:
        return [
            IdlePod(
                run,
                pod,
                is_current=run.template_digest == self._digests.get(run.resource_class),
                is_taken=self._taken.get(run.name) == run.version,
                is_broken=run.name in self._broken,
            )
            for run, pod in self._view.idle_runs()
            if not run.is_deleted
        ]


def describe_nodes(settings: PodSettings) -> Nodes:
    """Return the nodes that may run pods of these settings."""
    tolerations = sorted(json.dumps(one, sort_keys=True) for one in settings.tolerations)
    return Nodes(frozenset(settings.node_selector.items()), json.dumps(tolerations))


def _describe_state(one: IdlePod) -> _State:
    return one.is_over, one.is_starting, bool(one.pod and one.pod.is_unreachable)


def _is_active(one: RuntimeSession, now: datetime) -> bool:
    state = one.status.get("state", SessionState.OPEN)
    is_new = (now - one.session.created).total_seconds() < INTERACTIVE_SECONDS
    return state == SessionState.ACTIVE or (state == SessionState.OPEN and is_new)
