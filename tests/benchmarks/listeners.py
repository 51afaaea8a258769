"""Two hundred websocket listeners on one job."""

import asyncio
import time

from websockets.asyncio.client import connect

from tests.benchmarks.server import post, serve, stream_address
from tests.benchmarks.table import Row

LISTENERS = 200
MESSAGES = 500
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
    """Whether all get all, and how long after the first of them the last one is through."""
    with serve({"talker": PROGRAM}) as client:
        address = stream_address(client, post(client, "talker"))
        complete, spread, rate = asyncio.run(_listen(address))
    measured = f"{complete} of {LISTENERS} complete; the last {spread:.2f} s after the first"
    how = f"{MESSAGES} messages at 500 a second to each: {rate:,.0f} frames a second"
    return [Row(f"{LISTENERS} websocket listeners on one job", "all complete", measured, how)]


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
