"""The table of jobs in a browser."""

import re

import pytest
from playwright.sync_api import expect

from tests.api.conftest import run_server


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server of its own with one worker, so that jobs wait."""
    with run_server(tmp_path_factory.mktemp("jobs-page"), RUNTIME_WORKERS="1") as running:
        yield running


def rows(page):
    """Return the rows of the table."""
    return page.locator("tbody tr")


def test_first_visit_leads_to_the_programs(page):
    """An empty list says so, and where to go."""
    page.goto("/")
    expect(page.get_by_text("There is no job yet.")).to_be_visible()
    page.locator("main").get_by_role("link", name="Programs").click()
    expect(page.get_by_role("link", name="vqe", exact=True)).to_be_visible()


def test_table_is_live_and_says_who_waits_for_what(page, server, tmp_path):
    """A job appears, waits with its place, runs with its progress, and ends, without a reload."""
    page.goto("/")
    gate = tmp_path / "gate"
    first = server.run_steps(["wait", str(gate)], tags=["first"])
    second = server.run_steps(["fail", "no such luck"])
    page.evaluate("window.isSame = true")
    row = rows(page).filter(has_text=second[:8])
    expect(row).to_contain_text("Queued", timeout=10_000)
    expect(row).to_contain_text("number 1 in the queue")
    expect(rows(page).filter(has_text=first[:8])).to_contain_text("Running")
    gate.touch()
    expect(row).to_contain_text("Failed", timeout=15_000)
    expect(row).to_contain_text("no such luck")
    assert page.evaluate("window.isSame")


def test_filter_takes_an_instance_apart(page, server):
    """Hub, group and project each narrow the list, alone and together."""
    for group in ("deep", "flat"):
        server.wait(server.run_steps(hub="sea", group=group, project="reef"))
    page.goto("/")
    page.get_by_label("Hub").fill("sea")
    page.keyboard.press("Enter")
    expect(rows(page)).to_have_count(2)
    page.get_by_label("Group").fill("deep")
    page.keyboard.press("Enter")
    expect(rows(page)).to_have_count(1)
    assert "hub=sea" in page.url and "group=deep" in page.url
    page.get_by_label("Project").fill("dune")
    page.keyboard.press("Enter")
    expect(page.get_by_text("No job matches.")).to_be_visible()


def test_filter_narrows_and_is_part_of_the_address(page, server):
    """By text, status, program and tag; the address keeps it, and a link clears it."""
    job_id = server.run_steps(["final", 1], tags=["blue whale"], project="ocean")
    server.wait(job_id)
    server.wait(server.run_steps(["fail", "no"]))
    page.goto("/")
    page.get_by_label("Text in id").fill("BLUE")
    expect(rows(page)).to_have_count(1)
    assert "search=BLUE" in page.url
    page.reload()
    expect(rows(page)).to_have_count(1)
    page.get_by_role("link", name="Clear the filter").click()
    expect(rows(page)).not_to_have_count(1)
    page.get_by_label("Status").select_option("Failed")
    expect(rows(page).first).to_contain_text("Failed")
    page.get_by_label("Status").select_option("")
    page.get_by_label("Project").fill("ocean")
    page.keyboard.press("Enter")
    expect(rows(page)).to_have_count(1)
    expect(rows(page)).to_contain_text(job_id[:8])
    page.get_by_label("Program", exact=True).fill("nobody's")
    page.keyboard.press("Enter")
    expect(page.get_by_text("No job matches.")).to_be_visible()


def test_columns_sort_all_jobs(page, server):
    """A click sorts by a column, the next turns it round; the header says it to all readers."""
    server.wait(server.run("hello-world"))
    server.wait(server.run_steps(["final", 1]))
    page.goto("/")
    head = page.get_by_role("columnheader", name="Program")
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "ascending")
    expect(rows(page).first).to_contain_text("hello-world")
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "descending")
    expect(rows(page).first).to_contain_text("steps")


def test_pages_of_many_jobs(page, server):
    """Fifty a page; the links lead on and back."""
    ids = [server.run_steps(tags=["many"]) for _ in range(60)]
    page.goto("/?tags=many")
    expect(page.get_by_text("1 to 50 of 60 jobs")).to_be_visible(timeout=15_000)
    page.get_by_role("link", name="Next page").click()
    expect(page.get_by_text("51 to 60 of 60 jobs")).to_be_visible()
    expect(rows(page)).to_have_count(10)
    expect(rows(page).last).to_contain_text(ids[0][:8])
    page.get_by_role("link", name="Previous page").click()
    expect(rows(page)).to_have_count(50)


def test_two_to_five_jobs_are_chosen(page, server):
    """One is too few, the sixth can't be chosen, and the link names them all."""
    page.goto("/")
    boxes = page.get_by_role("checkbox")
    boxes.nth(0).check()
    expect(page.get_by_text("Choose 2 to 5 jobs to compare.")).to_be_visible()
    for number in range(1, 5):
        boxes.nth(number).check()
    expect(boxes.nth(5)).to_be_disabled()
    link = page.get_by_role("link", name="Compare 5 jobs")
    assert len(re.findall(r"id=", link.get_attribute("href"))) == 5


def test_hidden_page_asks_nothing(page, server):
    """A tab that nobody sees costs the server no request."""
    page.goto("/")
    rows(page).first.wait_for()
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    page.wait_for_timeout(4500)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(5000)
    assert asked == []
    page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(1000)
    assert any("/jobs?" in url for url in asked)
