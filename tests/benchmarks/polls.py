"""GET of a job, 400 times a second, as many waiting clients do."""

import asyncio
import time

from tests.benchmarks.server import post, serve, stream
from tests.benchmarks.table import Row, show_percentiles

RATE = 400
SECONDS = 15
CONNECTIONS = 40


def run() -> list[Row]:
    """The polls' times, by an open-loop load: a slow answer does not slow the next question."""
    with serve({}) as client:
        job_id = post(client, "hello-quantum", greeting="Hello")
        stream(client, job_id)
        time.sleep(2)
        samples = asyncio.run(load(client.base_url.port, f"/jobs/{job_id}"))
    return [make_row(samples, "p99 <= 20 ms")]


def make_row(
    samples: list[float], goal: str, rate: int = RATE, connections: int = CONNECTIONS
) -> Row:
    """The result of such a load."""
    measured = show_percentiles(samples)
    how = f"{len(samples)} polls in {SECONDS} s over {connections} connections, at fixed times"
    return Row(f"GET of a job under {rate} polls a second", goal, measured, how)


async def load(
    port: int, path: str, token: str = "", rate: int = RATE, connections: int = CONNECTIONS
) -> list[float]:
    """Poll a path of a server on this machine; returns how long each answer took, in seconds."""
    begin = asyncio.get_running_loop().time() + 0.5
    clients = (
        _poll(port, path, token, _due(begin + index / rate, connections / rate))
        for index in range(connections)
    )
    return [sample for samples in await asyncio.gather(*clients) for sample in samples]


def _due(begin: float, interval: float) -> list[float]:
    """The times at which one connection asks."""
    return [begin + turn * interval for turn in range(int(SECONDS / interval))]


async def _poll(port: int, path: str, token: str, times: list[float]) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
    request = f"{head}Authorization: Bearer {token}\r\n\r\n".encode()
    clock = asyncio.get_running_loop().time
    samples = []
    for due in times:
        await asyncio.sleep(max(due - clock(), 0))
        writer.write(request)
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200"), answer
        await _read_body(reader, answer.lower())
        # From when it was due: what waited in a queue counts.
        samples.append(clock() - due)
    writer.close()
    return samples


async def _read_body(reader: asyncio.StreamReader, head: bytes) -> None:
    if b"transfer-encoding: chunked" not in head:
        length = int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])
        await reader.readexactly(length)
        return
    size = -1
    while size != 0:
        size = int(await reader.readuntil(b"\r\n"), 16)
        await reader.readexactly(size + len(b"\r\n"))
