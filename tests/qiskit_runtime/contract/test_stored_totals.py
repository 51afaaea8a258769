"""The totals of what is kept are those of the jobs, whatever came and went."""

import random

from qiskit_runtime.contract.resources.instance import Instance
from qiskit_runtime.contract.resources.stored_totals import StoredTotals
from tests.operator.manifests import make_job

CHEM = {"hub": "chem", "group": "lab", "project": "vqe"}


def job_with(size, of=None):
    """A RuntimeJob whose parameters take so many bytes."""
    return make_job(spec={"paramsFrom": {"secretName": "s", "bytes": size}, **(of or {})})


def test_totals_follow_the_jobs():
    """By instance and in all; a tenant that has none left leaves nothing behind."""
    draw, totals, kept = random.Random(7), StoredTotals(), {}
    for _ in range(500):
        name = draw.randrange(20)
        size, of = draw.randrange(9), draw.choice([None, CHEM])
        after = job_with(size, of) if draw.random() < 0.7 else None
        totals.swap(kept.pop(name, None), after)
        if after is not None:
            kept[name] = after
        for instance in (None, Instance(), Instance(**CHEM)):
            mine = [job for job in kept.values() if instance in (None, job.job.spec.instance)]
            assert totals.count_jobs(instance) == len(mine)
            assert totals.count_bytes(instance) == sum(job.stored_bytes for job in mine)
    for job in kept.values():
        totals.swap(job, None)
    assert totals.count_jobs() == totals.count_bytes() == 0
    assert not totals._jobs and not totals._bytes


def test_program_that_a_job_brings_counts():
    """It is in the Secret of the parameters, under a key of its own."""
    program = {"secretName": "s", "key": "program.py", "bytes": 7}
    spec = {"paramsFrom": {"secretName": "s", "bytes": 5}, "programFrom": program}
    assert make_job(spec=spec).stored_bytes == 12


def test_an_instance_may_exceed_its_own_budget_alone():
    """Two budgets: of all together, and of each."""
    totals = StoredTotals()
    totals.swap(None, job_with(60))
    totals.swap(None, job_with(40, CHEM))
    assert not totals.exceeds(100, 60)
    assert totals.exceeds(99, 60)
    assert totals.exceeds(100, 59)
