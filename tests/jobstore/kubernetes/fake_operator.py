"""An operator in this process: runs the fake cluster's RuntimeJobs as local mode runs its jobs.

The runners are real, and so are the parts of the real operator that write streams, records and
statuses. Only pods are missing: the tests of ``operator/`` and the cluster's are for those.
"""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from redis.asyncio import Redis

from api.jobstore.local.runner_process import RunnerLimits, RunnerProcess
from api.jobstore.local.scratch import Scratch
from controller.build.job import build_record
from controller.build.status import FinalRecord, RunFacts, build_status
from controller.record.copy import RecordCopy
from controller.record.redis_stream import RedisStream
from qiskit_runtime.contract.catalog import Catalog, UnknownProgram
from qiskit_runtime.contract.lifecycle import (
    Limits,
    Observation,
    Reason,
    RunnerState,
    State,
    derive_state,
    reject,
)
from qiskit_runtime.contract.resources.backend import UnknownBackend, find_backend
from qiskit_runtime.contract.resources.runtimejob import parse_runtimejob
from qiskit_runtime.contract.resources.stored_params import PARAMS_KEY
from qiskit_runtime.contract.wire.job_input import JobInput
from tests.jobstore.kubernetes.fake_cluster import FakeCluster, Manifest

FINAL = ("Completed", "Failed", "Cancelled")


class FakeOperator:
    """Runs at most ``slots`` jobs at once, first come first served."""

    def __init__(self, cluster: FakeCluster, redis: Redis, folder: Path, slots: int = 2) -> None:
        self._cluster, self._redis, self._slots = cluster, redis, slots
        self._catalog = Catalog([folder / "programs"])
        self._scratch = Scratch(folder / "scratch")
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self._runners: dict[str, RunnerProcess] = {}
        self._workers: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Look after the jobs from now on."""
        self._scratch.open()
        self._cluster.on_change.append(self._note)
        self._workers = [asyncio.create_task(self._work()) for _ in range(self._slots)]

    async def stop(self) -> None:
        """Leave no runner."""
        self._cluster.on_change.remove(self._note)
        for worker in self._workers:
            worker.cancel()
        ends = await asyncio.gather(*self._workers, return_exceptions=True)
        self._scratch.close()
        # What broke a worker broke a test, which says less of it.
        for end in ends:
            if isinstance(end, Exception):
                raise end

    def _note(self, what: str, kind: str, job: Manifest) -> None:
        name = job["metadata"]["name"]
        if kind == "runtimejobs" and what == "DELETED" and (runner := self._runners.get(name)):
            # Its pod goes with it.
            runner.terminate()
        if kind != "runtimejobs" or what == "DELETED" or job["status"]["phase"] in FINAL:
            return
        if what == "ADDED":
            self._queue.put_nowait(name)
        if job["spec"].get("cancelRequested"):
            if runner := self._runners.get(name):
                runner.terminate()
            else:
                asyncio.get_running_loop().call_soon(self._cancel_queued, name)

    def _cancel_queued(self, name: str) -> None:
        job = self._unfinished(name)
        if job and job["status"]["phase"] == "Queued" and name not in self._runners:
            self._write(name, derive_state(Observation(cancel_requested=True)), FinalRecord())

    async def _work(self) -> None:
        while True:
            runner = await RunnerProcess.start(RunnerLimits(), self._scratch)
            name = ""
            try:
                while not (job := self._unfinished(name := await self._queue.get())):
                    pass
                self._runners[name] = runner
                await self._run(name, job, runner)
            finally:
                self._runners.pop(name, None)
                await runner.close()

    def _unfinished(self, name: str) -> Manifest | None:
        job = self._cluster.objects["runtimejobs"].get(name)
        return None if job is None or job["status"]["phase"] in FINAL else job

    async def _run(self, name: str, job: Manifest, runner: RunnerProcess) -> None:
        try:
            job_input = await self._make_input(job)
        except (UnknownProgram, UnknownBackend) as error:
            is_program = isinstance(error, UnknownProgram)
            reason = Reason.UNKNOWN_PROGRAM if is_program else Reason.UNKNOWN_BACKEND
            self._write(name, reject(reason, f"there is no {error}"), FinalRecord())
            return
        if not self._unfinished(name):
            return
        self._write(name, derive_state(Observation(runner=RunnerState.RUNNING)))
        copy = await self._stream(job, runner, job_input)
        await self._end(name, copy, await runner.wait())

    async def _make_input(self, job: Manifest) -> JobInput:
        secrets, parts = self._cluster.objects.setdefault("secrets", {}), []
        for secret in parse_runtimejob(job).params_secrets:
            while secret not in secrets:  # noqa: ASYNC110  (as the real one, which watches no Secrets)
                await asyncio.sleep(0.005)
            parts.append(base64.b64decode(secrets[secret]["data"][PARAMS_KEY]))
        return JobInput(
            job_id=job["metadata"]["name"],
            program=self._find_program(job),
            params=b"".join(parts).decode(),
            backend=find_backend(job["spec"]["backend"]).model_dump(),
            max_execution_seconds=job["spec"]["maxExecutionSeconds"],
            versions={"program": job["spec"].get("programVersion", "1")},
        )

    def _find_program(self, job: Manifest) -> str:
        """The file of its own program, as a pod has it mounted, or the catalog's."""
        spec = job["spec"]
        if not (own := spec.get("programFrom")):
            return self._catalog.get(spec["programId"]).path
        folder = self._scratch.path / f"source-{job['metadata']['uid']}"
        folder.mkdir()
        file = folder / (spec["programId"] + Path(own["key"]).suffix)
        secret = self._cluster.objects["secrets"][own["secretName"]]
        file.write_bytes(base64.b64decode(secret["data"][own["key"]]))
        return str(file)

    async def _stream(
        self, job: Manifest, runner: RunnerProcess, job_input: JobInput
    ) -> RecordCopy:
        copy = RecordCopy()
        writer = RedisStream(self._redis, job["metadata"]["uid"], job["metadata"]["name"])
        writing = asyncio.create_task(writer.run(lambda: copy))
        await runner.give_input(job_input)
        async for data in runner.read_record():
            writer.append(copy.feed(data))
        await writer.drain()
        writing.cancel()
        return copy

    async def _end(self, name: str, copy: RecordCopy, exit_code: int) -> None:
        job = self._cluster.objects["runtimejobs"].get(name)
        if job is None:
            return
        compressed = copy.compress()
        secrets = build_record(parse_runtimejob(job), compressed)
        for secret in secrets:
            self._cluster.create("secrets", secret)
        names = [secret["metadata"]["name"] for secret in secrets]
        seen = Observation(
            runner=RunnerState.ENDED,
            verdict=copy.verdict,
            exit_code=exit_code,
            cancel_requested=job["spec"].get("cancelRequested", False),
            limits=Limits(job["spec"]["maxExecutionSeconds"]),
        )
        ending = FinalRecord(
            copy.verdict, copy.result, copy.lines, names, len(compressed), copy.progress
        )
        self._write(name, derive_state(seen), ending)

    def _write(self, name: str, state: State, ending: FinalRecord | None = None) -> None:
        job = self._cluster.objects["runtimejobs"][name]
        names = RunFacts(f"{name}-0")
        status = build_status(parse_runtimejob(job), state, names, datetime.now(UTC), ending)
        self._cluster.patch("runtimejobs", name, {"status": status})


@asynccontextmanager
async def run_operator(
    cluster: FakeCluster, redis_url: str, folder: Path, slots: int = 2
) -> AsyncIterator[None]:
    """An operator that is there for a while."""
    redis = Redis.from_url(redis_url)
    operator = FakeOperator(cluster, redis, folder, slots)
    operator.start()
    try:
        yield
    finally:
        await operator.stop()
        await redis.aclose()
