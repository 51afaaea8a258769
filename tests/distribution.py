"""The plan of a run in several processes (``make test``): which tests run next to which.

Most tests of the cluster wait, the others compute, so one process begins with the former and the
others with the latter. A group of tests runs in one process, one test after the other; a process
that has finished takes the next group of the table below that disturbs nobody.
"""

import functools
from enum import IntEnum

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController


class Kind(IntEnum):
    """The kinds of groups, by what their tests share with others."""

    CRDS = 0
    """Changes what the API server accepts, or nodes: no other test of the cluster meanwhile."""
    RELEASE = 1
    """Uses the one installed release, which some of them scale and restart."""
    STAND = 2
    """Has a namespace of its own on the cluster."""
    MACHINE = 3
    """Needs no cluster."""
    LAST = 4
    """Takes the cluster down: no other test at that time or after it."""


PLACES = (
    ("tests/cluster/test_rig_down.py", Kind.LAST),
    ("tests/faults/test_nodes.py", Kind.CRDS),
    ("tests/faults/test_planted_bug.py", Kind.CRDS),
    ("tests/k8s/test_crd_rules.py", Kind.CRDS),
    ("tests/e2e/test_installed.py", Kind.RELEASE),
    ("tests/e2e/test_reads.py", Kind.RELEASE),
    ("tests/e2e/test_programs.py", Kind.RELEASE),
    ("tests/e2e/test_browser.py", Kind.RELEASE),
    ("tests/e2e/test_console.py", Kind.RELEASE),
    ("tests/clients/test_on_cluster.py", Kind.RELEASE),
    ("tests/docs/test_pages.py::test_every_block_for_a_cluster_runs", Kind.RELEASE),
    ("tests/test_readme.py::test_every_block_for_a_cluster_runs", Kind.RELEASE),
    ("tests/charts/", Kind.STAND),
    ("tests/e2e/", Kind.STAND),
    ("tests/faults/test_faults.py", Kind.STAND),
    ("tests/images/", Kind.STAND),
)
"""The kinds of tests by the beginning of their node id; the first entry that fits counts."""

KUBERNETES_MODE = "[kubernetes"
"""In the name of a test of the stores' behaviour suite that has a stand."""

ORDERS = (
    (Kind.CRDS, Kind.RELEASE, Kind.STAND, Kind.MACHINE, Kind.LAST),
    (Kind.MACHINE, Kind.STAND, Kind.RELEASE, Kind.CRDS, Kind.LAST),
    (Kind.STAND, Kind.MACHINE, Kind.RELEASE, Kind.CRDS, Kind.LAST),
)
"""The orders in which processes take groups: the first, the second, and the third process."""


@functools.cache
def find_kind(nodeid: str) -> Kind:
    """Return the kind of a test."""
    for beginning, kind in PLACES:
        if nodeid.startswith(beginning):
            return kind
    return Kind.STAND if KUBERNETES_MODE in nodeid else Kind.MACHINE


def find_group(nodeid: str) -> str:
    """Return the name of a test's group: its module, unless its tests share more, or less."""
    kind = find_kind(nodeid)
    if kind in (Kind.CRDS, Kind.RELEASE, Kind.LAST):
        return kind.name
    module = nodeid.split("::", 1)[0]
    if module == "tests/faults/test_faults.py":
        # Each fault has an installation of its own.
        return nodeid
    return f"{module} {kind.name}"


def check_marks(items: list[pytest.Item]) -> None:
    """Raise UsageError where the table and the mark ``cluster`` differ."""
    for item in items:
        is_marked = item.get_closest_marker("cluster") is not None
        if is_marked is (find_kind(item.nodeid) is Kind.MACHINE):
            raise pytest.UsageError(f"{item.nodeid}: PLACES in {__file__} and its marks differ")


class Distribution(LoadScopeScheduling):
    """The scheduler of pytest-xdist with the rules of ``Kind``."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        # The order of collection: long modules of the cluster come early, short ones at the end.
        config.option.loadscopereorder = False
        super().__init__(config, log)
        self._orders: dict[WorkerController, tuple[Kind, ...]] = {}

    def add_node(self, node: WorkerController) -> None:
        super().add_node(node)
        self._orders[node] = ORDERS[min(len(self._orders), len(ORDERS) - 1)]

    def mark_test_complete(
        self, node: WorkerController, item_index: int, duration: float = 0
    ) -> None:
        super().mark_test_complete(node, item_index, duration)
        # Others may have waited for it.
        for other in self.nodes:
            self._reschedule(other)

    def _split_scope(self, nodeid: str) -> str:
        return find_group(nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        group = self._choose(node)
        if group is not None:
            self.workqueue.move_to_end(group, last=False)
            super()._assign_work_unit(node)

    def _reschedule(self, node: WorkerController) -> None:
        # A worker begins its last test when it knows the next one, or that there is no other.
        if node.shutting_down or self._pending_of(self.assigned_work[node]) > 1:
            return
        if not self.workqueue:
            node.shutdown()
        elif self._choose(node) is not None:
            self._assign_work_unit(node)
        elif not any(self._is_running(other) for other in self.nodes) and any(
            not other.shutting_down for other in self.nodes if other is not node
        ):
            # It would wait for a test that waits itself: one of them goes on without a next one.
            node.shutdown()

    def _is_running(self, node: WorkerController) -> bool:
        pending = self._pending_of(self.assigned_work[node])
        return pending > 1 or (pending == 1 and bool(node.shutting_down))

    def _choose(self, node: WorkerController) -> str | None:
        """Return the next group for this process; None where it has to wait for others."""
        waiting: dict[Kind, str] = {}
        for group, tests in self.workqueue.items():
            waiting.setdefault(find_kind(next(iter(tests))), group)
        others = {
            find_kind(test)
            for other, groups in self.assigned_work.items()
            if other is not node
            for tests in groups.values()
            for test, is_complete in tests.items()
            if not is_complete
        }
        for kind in self._orders[node]:
            if kind in waiting and self._is_free(kind, others, waiting):
                return waiting[kind]
        return None

    @staticmethod
    def _is_free(kind: Kind, others: set[Kind], waiting: dict[Kind, str]) -> bool:
        """Return whether a group of this kind disturbs no test that others have."""
        match kind:
            case Kind.MACHINE:
                return True
            case Kind.STAND:
                return Kind.CRDS not in others
            case Kind.RELEASE:
                return others.isdisjoint({Kind.CRDS, Kind.RELEASE})
            case Kind.CRDS:
                return others <= {Kind.MACHINE}
            case Kind.LAST:
                return not others and len(waiting) == 1
