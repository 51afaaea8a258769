"""The console in a browser: its first paint, what it loads, a long curve, a long log."""

import statistics
import time

from tests.api.console.measures import (
    FRAMES,
    loaded_bytes,
    paint_seconds,
    read_curve,
    search_log,
    watch_curve,
)
from tests.benchmarks.server import post, serve, stream
from tests.benchmarks.table import Row, milliseconds, percentile
from tests.chromium import open_chromium

VISITS = 11
COUNT = f"""
import time

def main(backend, messenger, wait=True):
    print("counting")
    time.sleep(3 * wait)
    for number in range({FRAMES}):
        messenger.publish(number)
"""


def run() -> list[Row]:
    """A first visit and later ones, a job that is watched, and a log that is searched."""
    with serve({"count": COUNT}) as client, open_chromium() as chromium:
        ended = post(client, "count", wait=False)
        stream(client, ended)
        first, again = [], []
        for _ in range(VISITS):
            page = chromium.new_context(base_url=str(client.base_url)).new_page()
            page.goto("/")
            first.append(paint_seconds(page))
            page.goto("/")
            again.append(paint_seconds(page))
            page.goto(f"/?view=job&id={ended}")
            page.locator("canvas").wait_for()
            loaded = loaded_bytes(page)
            page.context.close()
        page = chromium.new_page(base_url=str(client.base_url))
        page.goto(f"/?view=job&id={post(client, 'count')}")
        page.get_by_role("heading", name="Timeline").wait_for()
        time.sleep(1)
        watch_curve(page)
        pauses, clicks = read_curve(page)
        searches, _, _ = search_log(page)
    visits = f"medians of {VISITS} visits with an empty cache, and of as many with a full one"
    return [
        Row(
            "console: first paint, the first visit / later ones",
            "<= 300 ms",
            f"{milliseconds(statistics.median(first))} / {milliseconds(statistics.median(again))}",
            visits,
        ),
        Row("console: a job's page, compressed", "<= 60 KB", f"{loaded / 1000:.1f} KB", "one"),
        Row(
            f"console: {FRAMES} messages drawn as they come",
            "no second without a drawing, a click <= 100 ms",
            f"longest pause {milliseconds(max(pauses, default=0))}, click p50 / p99 "
            + " / ".join(milliseconds(percentile(clicks, percent)) for percent in (50, 99)),
            f"{len(clicks)} clicks, one each 50 ms, while the messages come",
        ),
        Row(
            "console: a search in 20 MB of log",
            "<= 200 ms",
            milliseconds(statistics.median(searches)),
            "median of 5",
        ),
    ]
