"""The limit of the jobs that run at once."""

import random
from collections import Counter
from datetime import timedelta

import pytest

from controller.concurrency_limit import ConcurrencyLimit
from qiskit_runtime.contract.resources.instance import parse_instance
from tests.operator.manifests import NOW

ALICE, BOB = parse_instance("chem/lab/vqe"), parse_instance("bio/lab/main")
CAROL = parse_instance("physics/lab/main")


def at(seconds):
    """A time of submission."""
    return NOW + timedelta(seconds=seconds)


def test_first_come_is_first_served():
    """The time of submission counts, not that of asking; equal times are ordered by name."""
    limit = ConcurrencyLimit(1)
    assert limit.enter("runs", at(0))
    assert [limit.enter(name, at(age)) for name, age in (("b", 2), ("c", 2), ("a", 1))] == [
        False, False, False,
    ]  # fmt: skip
    assert limit.next_name() is None
    limit.leave("runs")
    for name in ("a", "b", "c"):
        assert limit.next_name() == name
        others = [one for one in ("c", "b") if one > name]
        assert not any(limit.enter(other, at(2)) for other in others)
        assert limit.enter(name, at(1 if name == "a" else 2))
        limit.leave(name)
    assert limit.next_name() is None


def test_job_that_is_inside_stays_inside():
    """A step that is repeated takes no second place."""
    limit = ConcurrencyLimit(2)
    assert limit.enter("a", at(0)) and limit.enter("a", at(0)) and limit.enter("b", at(1))
    assert not limit.enter("c", at(2))


def test_job_that_runs_already_counts_whatever_the_limit_is():
    """After a restart with a lower limit nothing starts until enough have ended."""
    limit = ConcurrencyLimit(1)
    limit.hold("a")
    limit.hold("b")
    assert not limit.enter("c", at(0))
    limit.leave("a")
    assert limit.next_name() is None and not limit.enter("c", at(0))
    limit.leave("b")
    assert limit.next_name() == "c" and limit.enter("c", at(0))


def test_job_that_stops_waiting_lets_the_next_one_in():
    """A job that was cancelled or suspended is out of the order."""
    limit = ConcurrencyLimit(1)
    limit.hold("runs")
    limit.enter("first", at(0))
    limit.enter("second", at(1))
    limit.leave("first")
    limit.leave("runs")
    assert limit.enter("second", at(1))


def test_an_instance_at_its_limit_lets_others_pass():
    """Its jobs wait for those of their own, and come in the order of their submission."""
    limit = ConcurrencyLimit(3, 1)
    assert limit.enter("a1", at(0), ALICE)
    assert not limit.enter("a2", at(1), ALICE) and not limit.enter("a3", at(2), ALICE)
    assert limit.enter("b1", at(3), BOB)
    assert limit.next_name() is None
    limit.leave("b1")
    assert limit.next_name() is None
    limit.leave("a1")
    assert limit.next_name() == "a2"
    assert not limit.enter("a3", at(2), ALICE) and limit.enter("a2", at(1), ALICE)


def test_the_limit_of_all_holds_for_each_instance():
    """The job that was submitted first comes next where all places are taken, whoever has it."""
    limit = ConcurrencyLimit(2, 2)
    assert limit.enter("a1", at(0), ALICE) and limit.enter("a2", at(1), ALICE)
    assert not limit.enter("b1", at(2), BOB) and not limit.enter("a3", at(3), ALICE)
    limit.leave("a1")
    assert limit.next_name() == "b1"
    assert limit.enter("b1", at(2), BOB)


def test_jobs_that_run_already_count_for_their_instance():
    """After a restart with a lower limit, and once each however often they are seen."""
    limit = ConcurrencyLimit(10, 2)
    for name in ("a1", "a2", "a3", "a3"):
        limit.hold(name, ALICE)
    assert not limit.enter("a4", at(0), ALICE)
    for name in ("a1", "a1", "never-seen"):
        limit.leave(name)
    assert limit.next_name() is None
    limit.leave("a2")
    assert limit.next_name() == "a4"


class PlainLimit:
    """The rule word by word: of those that wait and have room, the first by submission comes in."""

    def __init__(self, slots, instance_slots):
        self.slots, self.instance_slots = slots, instance_slots
        self.inside, self.waiting = {}, {}

    def next_name(self):
        """The name of the job that may come in now."""
        count = Counter(self.inside.values())
        room = [
            turn
            for turn, instance in self.waiting.values()
            if not self.instance_slots or count[instance] < self.instance_slots
        ]
        return min(room)[1] if room and len(self.inside) < self.slots else None

    def enter(self, name, submitted, instance):
        """Let a job in or have it wait."""
        if name not in self.inside:
            self.waiting[name] = (submitted, name), instance
            if name != self.next_name():
                return False
            del self.waiting[name]
            self.inside[name] = instance
        return True

    def leave(self, name):
        """Forget a job."""
        self.waiting.pop(name, None)
        self.inside.pop(name, None)


@pytest.mark.parametrize("instance_slots", [0, 2])
def test_long_queues_keep_the_order(instance_slots):
    """However jobs come, ask again, are suspended, come back, or are made again by one name."""
    draw = random.Random(7)
    limit, plain = ConcurrencyLimit(5, instance_slots), PlainLimit(5, instance_slots)
    ages = {}
    for step in range(3000):
        name = f"job-{draw.randrange(60)}"
        owner = (ALICE, BOB, CAROL)[int(name[4:]) % 3]
        if draw.random() < 0.4:
            limit.leave(name)
            plain.leave(name)
            if draw.random() < 0.5:
                ages.pop(name, None)
        else:
            age = at(ages.setdefault(name, step))
            assert limit.enter(name, age, owner) == plain.enter(name, age, owner)
        assert limit.next_name() == plain.next_name()
