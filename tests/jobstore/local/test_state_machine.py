"""Random sequences of submit, cancel, delete and list, against a model that is a dictionary."""

import asyncio
import itertools
import tempfile
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from api.jobstore.base import JobFinal, JobNotFinal, JobNotFound, JobQuery
from api.jobstore.local.store import RunnerLimits
from qiskit_runtime.contract.lifecycle import Phase
from tests.jobstore.store_under_test import FOR_EVER, QUICK, StoreUnderTest, open_local_store


class SharedStore:
    """A store in an event loop of its own thread: the machine's rules are not asynchronous."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._folder = tempfile.TemporaryDirectory()
        self._context = open_local_store(Path(self._folder.name), RunnerLimits(workers=2))
        self.jobs: StoreUnderTest = self.call(self._context.__aenter__())

    def call(self, awaitable: Coroutine[Any, Any, Any]) -> Any:
        """Run it there, and wait."""
        return asyncio.run_coroutine_threadsafe(awaitable, self._loop).result(60)

    def close(self) -> None:
        """Close the store, and end the thread."""
        self.call(self._context.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._folder.cleanup()


class StoreMachine(RuleBasedStateMachine):
    """The model: the ids in their order, and whether their program ends without a cancel."""

    shared: SharedStore
    runs = itertools.count()
    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.hub = f"machine-{next(self.runs)}"
        self.kept: dict[str, bool] = {}
        self.cancelled: set[str] = set()
        self.final: dict[str, Phase] = {}

    @rule(target=ids, ends=st.booleans())
    def submit(self, ends: bool) -> Any:
        """A job is kept as soon as it is submitted."""
        source = QUICK if ends else FOR_EVER
        job = self.shared.call(self.shared.jobs.submit(source, hub=self.hub))
        self.kept[job.id] = ends
        return multiple(job.id)

    @rule(job_id=ids)
    def cancel(self, job_id: str) -> None:
        """A cancel works until the job has completed, which it may do though it was cancelled."""
        try:
            self.shared.call(self.shared.jobs.store.cancel(job_id))
        except JobNotFound:
            assert job_id not in self.kept
        except JobFinal:
            assert self.kept[job_id]
        else:
            assert job_id in self.kept
            self.cancelled.add(job_id)

    @rule(job_id=ids)
    def finish(self, job_id: str) -> None:
        """A job that was cancelled ends, in time."""
        if job_id in self.cancelled and job_id in self.kept:
            self.shared.call(self.shared.jobs.finish(job_id))

    @rule(job_id=ids)
    def delete(self, job_id: str) -> None:
        """A delete works once the job is final."""
        try:
            self.shared.call(self.shared.jobs.store.delete(job_id))
        except JobNotFound:
            assert job_id not in self.kept
        except JobNotFinal:
            assert job_id not in self.final
        else:
            del self.kept[job_id]
            self.final.pop(job_id, None)

    @invariant()
    def listing_is_the_model(self) -> None:
        """The listing is the kept jobs, newest first; a final phase never changes."""
        page = self.shared.call(self.shared.jobs.store.find(JobQuery(hub=self.hub), 100, 0))
        assert [job.id for job in page.jobs] == list(self.kept)[::-1]
        for job in page.jobs:
            if job.is_final:
                assert self.final.setdefault(job.id, job.status.phase) is job.status.phase

    def teardown(self) -> None:
        """Leave nothing running for the next run."""
        for job_id in self.kept:
            try:
                self.shared.call(self.shared.jobs.store.cancel(job_id))
            except JobFinal:
                assert self.kept[job_id]
            self.shared.call(self.shared.jobs.finish(job_id))


@pytest.fixture
def _shared() -> Iterator[None]:
    """The store of all of the machine's runs: each looks at its own hub."""
    StoreMachine.shared = SharedStore()
    yield
    StoreMachine.shared.close()


@pytest.mark.usefixtures("_shared")
def test_random_sequences_behave_as_the_model_says():
    """No sequence of submit, cancel, finish, delete and list departs from the model."""
    run_state_machine_as_test(
        StoreMachine,
        settings=settings(
            max_examples=12,
            stateful_step_count=12,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
