"""The console's costs: what it loads, when it is seen, and what it does with much."""

import time
from itertools import pairwise
from statistics import median

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.unmeasured

PAINT = """
() => new Promise(resolve => {
  const found = () => performance.getEntriesByName("first-contentful-paint")[0]?.startTime;
  const look = () => found() ? resolve(found()) : setTimeout(look, 20);
  look();
})
"""
TRANSFER = """
() => performance.getEntriesByType("resource").concat(performance.getEntriesByType("navigation"))
  .filter(one => one.name.includes("/console/") || one.entryType === "navigation")
  .map(one => one.encodedBodySize).reduce((sum, one) => sum + one, 0)
"""

MOST_BYTES = 60_000
"""The bytes that the list of jobs and a job's page load together, compressed."""


def test_first_paint_is_soon_and_little_is_loaded(page, server):
    """The first visit loads 60 KB with a job's page; it is seen within 300 ms (best of five)."""
    job_id = server.run_steps(["count", 5])
    server.wait(job_id)
    page.goto("/")
    paints = [page.evaluate(PAINT)]
    page.locator(f'a[href*="{job_id}"]').click()
    page.locator("canvas").wait_for()
    loaded = page.evaluate(TRANSFER)
    assert 40_000 < loaded <= MOST_BYTES, loaded
    for _ in range(4):
        page.goto("/")
        paints.append(page.evaluate(PAINT))
    assert min(paints) <= 300, paints


def test_ten_thousand_values_are_drawn_while_the_page_answers(page, server, gate):
    """No second without a new drawing while they come, and a click takes less than 100 ms."""
    job_id = server.run_steps(["wait", str(gate)], ["count", 10_000])
    page.goto(f"/?view=job&id={job_id}")
    page.get_by_role("heading", name="Timeline").wait_for()
    page.evaluate("""() => {
      const seen = window.seen = {draws: [], clicks: []};
      const watch = () => {
        const {plot} = document.querySelector("convergence-plot") ?? {};
        const count = plot?.data[0].length ?? 0;
        if (count !== seen.draws.at(-1)?.[1]) seen.draws.push([performance.now(), count]);
        if (count < 10000) requestAnimationFrame(watch);
      };
      watch();
      seen.timer = setInterval(() => {
        const due = performance.now();
        const button = document.querySelector("button");
        button.dispatchEvent(new MouseEvent("mouseover", {bubbles: true}));
        setTimeout(() => seen.clicks.push(performance.now() - due));
      }, 50);
    }""")
    gate.touch()
    expect(page.get_by_role("group", name="value: 10000 points")).to_be_visible(timeout=60_000)
    page.wait_for_function(
        "document.querySelector('convergence-plot').plot.data[0].length === 10000"
    )
    draws, clicks = page.evaluate(
        "() => { clearInterval(seen.timer); return [seen.draws, seen.clicks]; }"
    )
    pauses = [after[0] - before[0] for before, after in pairwise(draws[1:])]
    assert max(pauses, default=0) < 1000, pauses
    # The middle one: other processes of a busy machine take turns of their own.
    assert len(clicks) > 10 and median(clicks) < 100, sorted(clicks)[-5:]


def test_twenty_megabytes_are_searched_within_a_blink(page, server):
    """The log's search over 200,000 lines of 100 characters (the best of five)."""
    job_id = server.run_steps(["print", "x"])
    server.wait(job_id)
    page.goto(f"/?view=job&id={job_id}")
    page.locator(".log li").first.wait_for()
    took = page.evaluate("""async () => {
      const {findLines} = await import("/console/log-view.js");
      const lines = Array.from({length: 200000}, (_, line) =>
        ({line, text: `row ${line} `.padEnd(100, "lorem ipsum dolor ")}));
      lines[199000].text += "NEEDLE";
      const view = document.querySelector("log-view");
      view.lines = lines;
      await view.updateComplete;
      const times = [1, 2, 3, 4, 5].map(() => {
        const start = performance.now();
        view.search("needle");
        return performance.now() - start;
      });
      return [Math.min(...times), view.found, findLines(lines, "a(").length];
    }""")
    assert took[1:] == [[199_000], 0]
    assert took[0] <= 200, took


def test_a_page_that_waits_costs_the_server_little(page, server):
    """The list of jobs, left open, takes less than 50 ms of a processor a second."""
    page.goto("/")
    page.get_by_role("heading", name="Jobs", exact=True).wait_for()
    time.sleep(1)
    before = server.cpu_seconds()
    time.sleep(5)
    assert (server.cpu_seconds() - before) / 5 < 0.05
