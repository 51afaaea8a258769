"""The plan of a run in several processes, tried on workers that behave as pytest-xdist's do."""

import random
from collections import deque
from types import SimpleNamespace

import pytest

from tests import drawn_seeds
from tests.distribution import ORDERS, Distribution, Kind, find_group, find_kind

TESTS = [
    *(f"tests/api/test_{module}.py::test_it[{number}]" for module in "abcd" for number in range(5)),
    *(f"tests/docs/test_tutorials.py::test_every_block_runs[{page}]" for page in "ab"),
    *(f"tests/docs/test_tutorials.py::test_every_block_for_a_cluster_runs[{p}]" for p in "ab"),
    *(f"tests/e2e/test_{module}.py::test_it[{n}]" for module in ("reads", "x") for n in range(4)),
    *(f"tests/faults/test_faults.py::test_fault[{number}]" for number in range(4)),
    *(f"tests/faults/test_planted_bug.py::test_it[{number}]" for number in range(2)),
    *(f"tests/jobstore/behaviour/test_a.py::test_it[{m}]" for m in ("local", "kubernetes")),
    *(f"tests/k8s/test_crd_rules.py::test_it[{number}]" for number in range(3)),
    "tests/cluster/test_rig_down.py::test_it",
]


class Worker:
    """A process of pytest-xdist: it begins its last test when it knows that no other follows."""

    def __init__(self):
        self.gateway = SimpleNamespace(id="gw")
        self.queue = deque()
        self.shutting_down = False
        self.running = None

    def send_runtest_some(self, indices):
        """Take more tests."""
        assert not self.shutting_down
        self.queue.extend(indices)

    def shutdown(self):
        """Take no more tests."""
        self.shutting_down = True

    def begin(self):
        """Begin the next test if it may."""
        if self.running is None and (len(self.queue) > 1 or (self.queue and self.shutting_down)):
            self.running = self.queue.popleft()


def run(tests, count):
    """Run the tests on so many workers; yields the tests that run at each moment."""
    config = SimpleNamespace(
        option=SimpleNamespace(loadscopereorder=True),
        getvalue={"tx": ["popen"] * count}.get,
    )
    log = SimpleNamespace(loadscopesched=lambda *_: None)
    plan = Distribution(config, log)
    workers = [Worker() for _ in range(count)]
    for worker in workers:
        plan.add_node(worker)
    for worker in workers:
        plan.add_node_collection(worker, tests)
    plan.schedule()
    choices = random.Random(drawn_seeds.draw_seed())
    while True:
        for worker in workers:
            worker.begin()
        running = [worker for worker in workers if worker.running is not None]
        if not running:
            break
        yield [tests[worker.running] for worker in running]
        ended = choices.choice(running)
        plan.mark_test_complete(ended, ended.running)
        ended.running = None
    assert not plan.has_pending, "all processes wait for each other"
    assert plan.tests_finished


@pytest.mark.parametrize("count", range(1, 6))
@pytest.mark.parametrize("number", range(20))
def test_every_test_runs_once_and_disturbs_no_other(count, number):
    """Tests of the CRDs, of the release and the end of the cluster have what they need alone."""
    tests = sorted(TESTS, key=lambda test: find_kind(test) is Kind.LAST)
    begun = []
    before = set()
    for running in run(tests, count):
        begun += [test for test in running if test not in before]
        before = set(running)
        kinds = [find_kind(test) for test in running]
        assert kinds.count(Kind.RELEASE) <= 1
        if Kind.CRDS in kinds:
            assert set(kinds) <= {Kind.CRDS, Kind.MACHINE} and kinds.count(Kind.CRDS) == 1
        assert Kind.LAST not in kinds or len(kinds) == 1
    assert sorted(begun) == sorted(tests)
    assert begun[-1] == tests[-1]


def test_processes_begin_with_different_kinds():
    """The cluster is busy from the first moment on, and so are the cores."""
    (first, *_) = run(TESTS, 2)
    assert {find_kind(test) for test in first} == {Kind.CRDS, Kind.MACHINE}


@pytest.mark.parametrize("kind", Kind)
def test_tests_of_one_kind_alone_come_to_their_end(kind):
    """A part of the tests (``pytest -m cluster -n 3``) runs as all of them do."""
    tests = [test for test in TESTS if find_kind(test) is kind]
    begun = {test for running in run(tests, len(ORDERS)) for test in running}
    assert begun == set(tests)


def test_tests_of_a_module_run_in_one_process():
    """Fixtures of a module are made once, but each fault has an installation of its own."""
    assert find_group("tests/api/test_a.py::test_x") == find_group("tests/api/test_a.py::test_y")
    faults = {find_group(test) for test in TESTS if "test_faults" in test}
    assert len(faults) == 4
