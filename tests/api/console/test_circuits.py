"""The search for circuits in a log: its time, and its end."""

import pytest
from playwright.sync_api import expect

CIRCUIT = (
    "     ┌───┐     ",
    "q_0: ┤ H ├──■──",
    "     └───┘┌─┴─┐",
    "q_1: ─────┤ X ├",
    "          └───┘",
)

FIND = """
async ([pattern, count, bunch]) => {
  const {CircuitFinder} = await import("/console/circuits.js");
  const finder = new CircuitFinder();
  const lines = [];
  let found = [];
  const start = performance.now();
  for (let line = 0; line < count; line += 1) {
    lines.push({line, text: pattern[line % pattern.length]});
    if (line % bunch === 0) found = finder.find(lines);
  }
  found = finder.find(lines);
  return [found.length, (performance.now() - start) / 1000];
}
"""
"""Look for circuits in so many lines of a pattern, which come in bunches."""

ODD_LINES = {
    "too wide for a circuit": " " * 20_000 + "x " * 20_000 + "■",
    "as wide as a circuit may be": " " * 1000 + "x " * 499 + "■",
    "a name alone": "q" * 1999 + "■",
    "without a wire": "■" * 1999,
}


@pytest.mark.parametrize("text", ODD_LINES.values(), ids=ODD_LINES)
def test_lines_that_are_nearly_wires_hold_up_nothing(page, text):
    """A log of such lines is looked through in its bunches within a second."""
    page.goto("/")
    found, seconds = page.evaluate(FIND, [[text], 60, 3])
    assert found == 0
    assert seconds < 1, seconds


def test_a_flood_of_circuits_is_looked_at_once(page):
    """Twenty thousand of them, one under the other, in 100 bunches: a hundred are found."""
    page.goto("/")
    found, seconds = page.evaluate(FIND, [CIRCUIT, 100_000, 1000])
    assert found == 100
    assert seconds < 1, seconds


@pytest.mark.parametrize(
    ("count", "said"), [(7, "The log has 2 more."), (120, "The log has at least 95 more.")]
)
def test_page_says_how_many_circuits_it_does_not_show(page, server, count, said):
    """Five are drawn; the others are counted, as far as they are looked for."""
    job_id = server.run_steps(["print", "\n".join([*CIRCUIT, "next"] * count)])
    server.wait(job_id)
    page.goto(f"/?view=job&id={job_id}")
    expect(page.get_by_text(said, exact=True)).to_be_visible()
    expect(page.locator("pre.circuit")).to_have_count(5)
    expect(page.locator("pre.circuit").last).to_have_text("\n".join(CIRCUIT))
