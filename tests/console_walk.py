"""The way of a person through the console who has never seen the project.

The tests of local mode and of the installed chart walk it.
"""

import json
import re

import httpx
from playwright.sync_api import Locator, Page, expect

WAIT_MS = 90_000
"""The time that a job may take, on a machine which also runs the cluster, in milliseconds."""


def run_compare_share(page: Page, http: httpx.Client) -> str:
    """Run vqe from its form, watch its curve, try another optimiser, compare; return the link.

    ``http`` is a client of the server past the page.
    """
    page.goto("/")
    page.get_by_role("link", name="Programs").first.click()
    page.get_by_role("link", name="vqe", exact=True).click()
    first = _press_run(page)
    _check_curve(page)
    _check_result(page, json.loads(http.get(f"/jobs/{first}/results").json()))
    page.get_by_role("link", name="Run again, edited").click()
    page.get_by_label("optimizer", exact=True).fill("COBYLA")
    second = _press_run(page)
    _wait_for_end(page)
    _compare(page, first, second)
    page.goto(f"/?view=job&id={second}")
    page.get_by_role("button", name="Copy the link").click()
    expect(page.get_by_text("The link is copied.")).to_be_visible()
    return str(page.evaluate("navigator.clipboard.readText()"))


def _press_run(page: Page) -> str:
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("heading", name="Job of vqe").wait_for()
    return page.url.rpartition("id=")[2]


def _wait_for_end(page: Page) -> None:
    heading = page.get_by_role("heading", name="Job of vqe")
    expect(heading).to_contain_text("Completed", timeout=WAIT_MS)


def _check_curve(page: Page) -> None:
    figure = page.get_by_role("group", name=re.compile("^[Ee]nergy, .*: [0-9]+ points"))
    expect(figure).to_be_visible(timeout=WAIT_MS)
    early = _count_points(figure)
    _wait_for_end(page)
    assert _count_points(figure) >= max(early, 200)


def _check_result(page: Page, result: dict[str, float]) -> None:
    energy = result["optimal_value"]
    # The exact one is -1.857.
    assert -1.9 < energy < -1.7
    expect(page.locator("section", has_text="optimal_value").first).to_contain_text(str(energy)[:6])


def _compare(page: Page, first: str, second: str) -> None:
    page.get_by_role("link", name="Jobs").first.click()
    for job_id in (first, second):
        page.get_by_label(f"Choose job {job_id}").check()
    page.get_by_role("link", name="Compare 2 jobs").click()
    expect(page.get_by_role("row", name=re.compile("^optimizer"))).to_contain_text('"COBYLA"')
    curves = f"vqe {first[:8]} energy, vqe {second[:8]} energy"
    expect(page.get_by_role("group", name=curves)).to_be_visible()


def _count_points(figure: Locator) -> int:
    (points,) = re.findall(r": (\d+) points", figure.get_attribute("aria-label") or "")
    return int(points)
