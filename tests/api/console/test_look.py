"""The console's looks: colours, sizes, keys and what screen readers find."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def addresses(server):
    """An address of each view, with something on it."""
    noisy = [["print", "one\ntwo"], ["count", 5], ["final", {"00": 3, "11": 5}]]
    first, second = server.run_steps(*noisy, tags=["tag"]), server.run_steps(*noisy)
    failed = server.run_steps(["fail", "no"])
    for job_id in (first, second, failed):
        server.wait(job_id)
    return {
        "jobs": "/",
        "job": f"/?view=job&id={first}",
        "failed job": f"/?view=job&id={failed}",
        "comparison": f"/?view=compare&id={first}&id={second}",
        "programs": "/?view=programs",
        "form": "/?view=program&id=vqe",
        "nested form": "/?view=program&id=sampler",
        "backends": "/?view=backends",
        "backend": "/?view=backend&name=aer_montreal",
        "system": "/?view=system",
    }


VIEWS = [
    *("jobs", "job", "failed job", "comparison", "programs"),
    *("form", "nested form", "backends", "backend", "system"),
]


def open_whole(page, address):
    """Open a page and wait until it is there, with its parts unfolded."""
    page.goto(address)
    page.locator("h1").wait_for()
    page.wait_for_load_state("networkidle")
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    page.wait_for_timeout(200)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing(page, addresses, view, scheme):
    """Neither names nor roles are missing, nor contrast, in the light and in the dark."""
    page.emulate_media(color_scheme=scheme)
    open_whole(page, addresses[view])
    found = Axe().run(page)
    assert found.response["passes"], "it has looked"
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("view", VIEWS)
def test_page_fits_on_a_phone(page, addresses, view):
    """At a width of 360 pixels nothing but tables and logs is moved sideways."""
    page.set_viewport_size(PHONE)
    open_whole(page, addresses[view])
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_colours_are_chosen_and_kept(page, addresses):
    """The switch wins over the system's colours, at once and after a reload, the plot's too."""
    page.emulate_media(color_scheme="light")
    open_whole(page, addresses["job"])
    ground = "getComputedStyle(document.body).backgroundColor"
    light, pixels = page.evaluate(ground), page.locator("canvas").screenshot()
    page.get_by_label("Colours").select_option("dark")
    dark = page.evaluate(ground)
    page.wait_for_timeout(200)
    assert dark != light and page.locator("canvas").screenshot() != pixels
    page.reload()
    assert page.evaluate(ground) == dark
    page.get_by_label("Colours").select_option("")
    assert page.evaluate(ground) == light


def test_keyboard_reaches_a_job_and_its_log(page, addresses):
    """From the first page to a job and into its log, by Tab and Enter alone."""
    page.goto("/")
    page.locator("tbody tr").first.wait_for()
    tab_until(page, "document.activeElement.closest('tbody a')")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Job of").wait_for()
    page.locator("job-page").get_by_text("Log", exact=True).wait_for()
    assert page.evaluate("document.activeElement.id") == "content", "a reader goes on there"
    tab_until(page, "document.activeElement.closest('log-view')")
    outline = page.locator(":focus-visible").evaluate("one => getComputedStyle(one).outlineStyle")
    assert outline == "solid"


def tab_until(page, condition):
    """Press Tab until the focus is where it is meant to be."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate(f"!!({condition})"):
            return
    pytest.fail(f"Tab never leads to {condition}")


def test_back_and_forward_lead_through_the_pages(page, addresses):
    """The browser's own buttons work, and each page has its title."""
    page.goto("/")
    page.get_by_role("link", name="Backends").click()
    expect(page).to_have_title("Backends - Qiskit Runtime")
    page.get_by_role("link", name="System").click()
    expect(page).to_have_title("System - Qiskit Runtime")
    page.go_back()
    expect(page.get_by_role("heading", name="Backends")).to_be_visible()
    page.go_back()
    expect(page).to_have_title("Jobs - Qiskit Runtime")
    expect(page.get_by_role("link", name="Jobs").first).to_have_attribute("aria-current", "page")
    page.goto("/?view=nowhere")
    expect(page.get_by_role("heading", name="There is no such page.")).to_be_visible()
