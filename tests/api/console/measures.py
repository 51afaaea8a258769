"""The costs of the console's pages, measured in a browser: for its tests and its benchmark."""

from itertools import pairwise

from playwright.sync_api import Page, expect

FRAMES = 10_000
"""The messages of the job whose curve is drawn."""

_PAINT = """
() => new Promise(resolve => {
  const found = () => performance.getEntriesByName("first-contentful-paint")[0]?.startTime;
  const look = () => found() ? resolve(found()) : setTimeout(look, 20);
  look();
})
"""

_TRANSFER = """
() => performance.getEntriesByType("resource").concat(performance.getEntriesByType("navigation"))
  .filter(one => one.name.includes("/console/") || one.entryType === "navigation")
  .map(one => one.encodedBodySize).reduce((sum, one) => sum + one, 0)
"""

_WATCH = f"""
() => {{
  const seen = window.seen = {{draws: [], clicks: []}};
  const watch = () => {{
    const {{plot}} = document.querySelector("convergence-plot") ?? {{}};
    const count = plot?.data[0].length ?? 0;
    if (count !== seen.draws.at(-1)?.[1]) seen.draws.push([performance.now(), count]);
    if (count < {FRAMES}) requestAnimationFrame(watch);
  }};
  watch();
  seen.timer = setInterval(() => {{
    const due = performance.now();
    const button = document.querySelector("button");
    button.dispatchEvent(new MouseEvent("mouseover", {{bubbles: true}}));
    setTimeout(() => seen.clicks.push(performance.now() - due));
  }}, 50);
}}
"""

_SEARCH = """
async () => {
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
  return [times, view.found, findLines(lines, "a(").length];
}
"""


def paint_seconds(page: Page) -> float:
    """Return the seconds from the request for the page to its first paint."""
    return float(page.evaluate(_PAINT)) / 1000


def loaded_bytes(page: Page) -> int:
    """Return the bytes that the page and its files took, compressed, since it was opened."""
    return int(page.evaluate(_TRANSFER))


def watch_curve(page: Page) -> None:
    """Begin to note when the page draws its curve anew, and what a click takes meanwhile."""
    page.evaluate(_WATCH)


def read_curve(page: Page) -> tuple[list[float], list[float]]:
    """Return, once the curve is whole, the seconds between drawings, and those of clicks."""
    expect(page.get_by_role("group", name=f"value: {FRAMES} points")).to_be_visible(timeout=60_000)
    page.wait_for_function(
        f"document.querySelector('convergence-plot').plot.data[0].length === {FRAMES}"
    )
    draws, clicks = page.evaluate(
        "() => { clearInterval(seen.timer); return [seen.draws, seen.clicks]; }"
    )
    pauses = [(after[0] - before[0]) / 1000 for before, after in pairwise(draws[1:])]
    return pauses, [click / 1000 for click in clicks]


def search_log(page: Page) -> tuple[list[float], list[int], int]:
    """Search 20 MB of a log five times, on a job's page that shows one.

    Returns the seconds of each, the lines found, and how many a text that is nowhere finds.
    """
    times, found, nowhere = page.evaluate(_SEARCH)
    return [one / 1000 for one in times], found, nowhere
