"""Two hundred listeners on one job: over websockets, and on a record that comes from Redis."""

import asyncio
import shutil
import time
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from redis.asyncio import Redis
from websockets.asyncio.client import connect

from api.jobstore.kubernetes.live_streams import LiveStreams
from api.jobstore.kubernetes.record_reader import RecordReader, RecordReaders, RecordSources
from qiskit_runtime.cluster.cache import ResourceCache
from qiskit_runtime.contract.resources.job import Job, JobSpec
from qiskit_runtime.contract.resources.runtimejob import RuntimeJob
from qiskit_runtime.contract.wire.events import Console
from qiskit_runtime.contract.wire.record_stream import LINES_FIELD, Batch, stream_key
from tests.benchmarks.server import post, serve, stream_address
from tests.benchmarks.table import Row, show_percentiles
from tests.jobstore.kubernetes.redis_server import run_redis

LISTENERS = 200
MESSAGES = 500
RATE = 500
PROGRAM = f"""
import time

def main(backend, messenger):
    time.sleep(3)
    for number in range({MESSAGES}):
        messenger.publish({{"number": number}})
        time.sleep(0.002)
    return "done"
"""


def run() -> list[Row]:
    """Return the rows of local mode's websockets and of Redis' streams."""
    with serve({"talker": PROGRAM}) as client:
        address = stream_address(client, post(client, "talker"))
        complete, spread, rate = asyncio.run(_listen(address))
    measured = f"{complete} of {LISTENERS} complete; the last {spread:.2f} s after the first"
    how = f"{MESSAGES} messages at 500 a second to each: {rate:,.0f} frames a second"
    rows = [Row(f"{LISTENERS} websocket listeners on one job", "all complete", measured, how)]
    if shutil.which("redis-server"):
        rows += [_measure_streams(jobs) for jobs in (1, LISTENERS)]
    return rows


async def _listen(address: str) -> tuple[int, float, float]:
    begin = time.monotonic()
    done = await asyncio.gather(*(_hear(address) for _ in range(LISTENERS)))
    times = [moment for moment, _ in done]
    frames = sum(count for _, count in done)
    complete = sum(count == MESSAGES + 1 for _, count in done)
    return complete, max(times) - min(times), frames / (max(times) - begin - 3)


async def _hear(address: str) -> tuple[float, int]:
    async with connect(address, open_timeout=30, proxy=None) as websocket:
        frames = [frame async for frame in websocket]
    expected = [f'{{"number": {number}}}' for number in range(MESSAGES)] + ['"done"']
    return time.monotonic(), len(frames) if frames == expected else 0


# Kubernetes mode: from the operator's XADD to the listeners of the API's record readers.


def _measure_streams(jobs: int) -> Row:
    lines = 3000 // jobs
    with run_redis() as server:
        begin, cpu = time.monotonic(), time.process_time()
        delays = asyncio.run(_follow_jobs(server.url, jobs, lines))
        seconds, cpu = time.monotonic() - begin, time.process_time() - cpu
    measured = show_percentiles(delays)
    how = (
        f"{RATE} entries a second in all, {len(delays):,} frames in {seconds:.1f} s and {cpu:.1f} s"
        " of CPU, those of writing among them"
    )
    return Row(
        f"{LISTENERS} listeners on {jobs} streams, XADD to frame", "p99 <= 100", measured, how
    )


async def _follow_jobs(url: str, jobs: int, lines: int) -> list[float]:
    streams, redis = LiveStreams(url), Redis.from_url(url)
    found = [_make_job(number) for number in range(jobs)]
    cache: ResourceCache[RuntimeJob] = ResourceCache(lambda manifest: manifest["job"])
    for version, job in enumerate(found, start=1):
        metadata = {"name": job.name, "uid": job.uid, "resourceVersion": str(version)}
        cache.put({"metadata": metadata, "job": job})
    kind: Any = SimpleNamespace(cache=cache)
    unused: Any = None
    readers = RecordReaders(RecordSources(kind, unused, streams))
    streams.open()
    delays: list[float] = []
    async with asyncio.TaskGroup() as tasks:
        for number in range(LISTENERS):
            tasks.create_task(_receive(readers, found[number % jobs], lines, delays))
        await asyncio.sleep(0.5)
        await _write(redis, found, lines)
    await streams.close()
    await redis.aclose()
    return delays


def _make_job(number: int) -> RuntimeJob:
    spec = JobSpec(program_id="hello-quantum", backend="aer_simulator")
    now = datetime.now(UTC)
    job = Job(id=f"job-{number}", sequence=number, created=now, spec=spec)
    return RuntimeJob(job=job, uid=f"uid-{number}", params="{}", created=now)


async def _write(redis: Redis, jobs: list[RuntimeJob], lines: int) -> None:
    begin = time.monotonic()
    for entry in range(lines * len(jobs)):
        await asyncio.sleep(max(begin + entry / RATE - time.monotonic(), 0))
        batch = Batch(b"%r\n" % time.monotonic(), 1 + entry // len(jobs))
        key = stream_key(jobs[entry % len(jobs)].uid)
        await redis.xadd(key, {LINES_FIELD: batch.lines}, id=batch.entry_id)


async def _receive(
    readers: RecordReaders, job: RuntimeJob, lines: int, delays: list[float]
) -> None:
    with readers.open(job) as reader:
        reader.start()
        await _take(reader, lines, delays)


async def _take(reader: RecordReader, lines: int, delays: list[float]) -> None:
    left = lines
    async for event in reader.record.follow():
        assert isinstance(event, Console)
        delays.append(time.monotonic() - float(event.data))
        left -= 1
        if not left:
            return
