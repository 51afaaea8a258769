"""The console as a person meets it who has never seen the project."""

import re

from playwright.sync_api import expect


def test_person_runs_vqe_watches_compares_and_shares(page, server, chromium):
    """Open the address, run vqe from its form, watch its curve, try another optimiser, share."""
    page.goto("/")
    page.get_by_role("link", name="Programs").first.click()
    page.get_by_role("link", name="vqe", exact=True).click()
    page.get_by_role("button", name="Run", exact=True).click()
    figure = page.get_by_role("group", name=re.compile("^[Ee]nergy, .*: [0-9]+ points"))
    expect(figure).to_be_visible(timeout=30_000)
    early = count_points(figure)
    expect(page.get_by_role("heading", name="Job of vqe")).to_contain_text(
        "Completed", timeout=60_000
    )
    assert count_points(figure) >= max(early, 200)
    energy = server_energy(server, page)
    expect(page.locator("section", has_text="optimal_value").first).to_contain_text(str(energy)[:6])
    first = page.url.rpartition("id=")[2]

    page.get_by_role("link", name="Run again, edited").click()
    page.get_by_label("optimizer", exact=True).fill("COBYLA")
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("heading", name="Job of vqe").wait_for()
    second = page.url.rpartition("id=")[2]
    server.wait(second, seconds=60)

    page.get_by_role("link", name="Jobs").first.click()
    for job_id in (first, second):
        page.get_by_label(f"Choose job {job_id}").check()
    page.get_by_role("link", name="Compare 2 jobs").click()
    expect(page.get_by_role("row", name=re.compile("^optimizer"))).to_contain_text('"COBYLA"')
    expect(
        page.get_by_role("group", name=f"vqe {first[:8]} energy, vqe {second[:8]} energy")
    ).to_be_visible()

    page.goto(f"/?view=job&id={second}")
    page.get_by_role("button", name="Copy the link").click()
    expect(page.get_by_text("The link is copied.")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    other = chromium.new_context().new_page()
    other.goto(link)
    expect(other.get_by_role("heading", name="Job of vqe")).to_contain_text("Completed")
    other.context.close()


def count_points(figure):
    """Return the number of points that a figure says it has."""
    return int(re.search(r": (\d+) points", figure.get_attribute("aria-label"))[1])


def server_energy(server, page):
    """Return the smallest energy of the job that is shown, which is near the exact one."""
    job_id = page.url.rpartition("id=")[2]
    energy = float(re.search(r'"optimal_value": (-?[\d.]+)', server.text(job_id, "results"))[1])
    assert -1.9 < energy < -1.7
    return energy
