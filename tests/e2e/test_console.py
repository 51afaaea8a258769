"""The console at the installed chart: a person with a token, an ingress, and a pod for each job."""

import json
import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.api.console.conftest import DESKTOP, watch
from tests.chromium import open_chromium
from tests.cluster.installed import make_name
from tests.console_walk import WAIT_MS, run_compare_share

pytestmark = pytest.mark.cluster

STAGES = """
import time

def main(backend, messenger, n=3, pause=0.0, fail=""):
    print("needle in line 1")
    for value in range(1, n + 1):
        messenger.publish(value)
        messenger.report_progress(value, n, best=-value)
        time.sleep(pause)
    if fail:
        raise ValueError(fail)
    return {"ideal": {"00": 1, "11": 1}, "noisy": {"00": 3, "01": 1}, "n": n}
"""
"""Interim results, progress, a log, counts or an error, as the parameters say."""


@pytest.fixture(scope="module")
def chromium():
    """A Chromium."""
    with open_chromium() as instance:
        yield instance


@pytest.fixture(scope="module")
def program(installed):
    """A program that does what its parameters say."""
    return installed.install_program(STAGES)


@pytest.fixture
def page(chromium, installed):
    """A page of somebody who has logged in at the ingress; its scripts do nothing wrong."""
    context = chromium.new_context(base_url=installed.url, viewport=DESKTOP)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    shown = context.new_page()
    problems = watch(shown)
    shown.goto("/")
    shown.get_by_label("Token").fill(installed.token)
    shown.get_by_role("button", name="Log in").click()
    shown.get_by_role("heading", name="Jobs", exact=True).wait_for()
    yield shown
    context.close()
    assert problems == []


def open_job(page, job_id):
    """Open a job's page, and return its heading."""
    page.goto(f"/?view=job&id={job_id}")
    return page.get_by_role("heading", name="Job of")


def section(page, name):
    """Return the part of the page under this heading."""
    return page.locator("section", has=page.get_by_role("heading", name=name, exact=True))


def test_person_runs_vqe_watches_compares_and_shares(page, installed, chromium):
    """The whole way of a person who has never seen it; whoever gets the link logs in first."""
    link = run_compare_share(page, installed.http)
    other = chromium.new_context().new_page()
    other.goto(link)
    other.get_by_label("Token").fill(installed.token)
    other.get_by_role("button", name="Log in").click()
    expect(other.get_by_role("heading", name="Job of vqe")).to_contain_text("Completed")
    other.context.close()


def test_page_of_a_pods_job_tells_its_stages_and_all_it_said(page, installed, program):
    """Queue, node, container and run in their order; curve, counts, log, and the tree."""
    job_id = installed.post(program, {"n": 40})
    installed.wait(job_id)
    expect(open_job(page, job_id)).to_contain_text("Completed")
    stages = section(page, "Timeline").get_by_role("listitem")
    expect(stages).to_have_count(6)
    words = " | ".join(stages.all_inner_texts())
    assert re.search("Posted.*Pod scheduled.*ontainer started.*Running", words, re.DOTALL), words
    expect(page.get_by_role("group", name="value: 40 points")).to_be_visible()
    expect(section(page, "Counts")).to_contain_text("ideal and noisy: 0.5000")
    log = section(page, "Log")
    log.get_by_label("Search the log").fill("NEEDLE")
    expect(log.get_by_role("status")).to_contain_text("1 of 1")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the result").click()
    assert json.loads(Path(download.value.path()).read_text())["n"] == 40


def test_curve_grows_while_the_pod_runs_and_a_cancel_ends_it(page, installed, program):
    """A late opener sees the curve so far, and more of it; a question comes before the end."""
    job_id = installed.post(program, {"n": 10_000, "pause": 0.2})
    installed.wait(job_id, "Running")
    heading = open_job(page, job_id)
    figure = page.get_by_role("group", name=re.compile("^value: [0-9]+ points"))
    expect(figure).to_be_visible(timeout=WAIT_MS)
    first = figure.get_attribute("aria-label")
    expect(figure).not_to_have_attribute("aria-label", first, timeout=WAIT_MS)
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Cancel").click()
    expect(heading).to_contain_text("Cancelled", timeout=WAIT_MS)


def test_error_is_on_top_and_the_job_is_deleted(page, installed, program):
    """The line of the program's error, and then nothing is left."""
    job_id = installed.post(program, {"fail": "the cat is dead"})
    installed.wait(job_id)
    open_job(page, job_id)
    expect(page.get_by_role("alert")).to_contain_text("ValueError: the cat is dead")
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("heading", name="Jobs", exact=True).wait_for()
    assert installed.http.get(f"/jobs/{job_id}").status_code == 404


def test_job_runs_again_with_the_same_seed(page, installed):
    """The second pod gives the counts of the first."""
    first = installed.post("hello-quantum", {"greeting": "once more"})
    installed.wait(first)
    open_job(page, first)
    page.get_by_role("button", name="Run again, same seed").click()
    page.wait_for_url(lambda url: first not in url)
    second = page.url.rpartition("id=")[2]
    expect(page.get_by_role("heading", name="Job of")).to_contain_text("Completed", timeout=WAIT_MS)
    texts = [installed.http.get(f"/jobs/{one}/results").json() for one in (first, second)]
    assert texts[0] == texts[1] and installed.job(first)["seeds"] == installed.job(second)["seeds"]


def test_table_is_live_and_filtered(page, installed, program):
    """A job appears, runs with its progress and ends, without a reload; filters take it apart."""
    tag = f"tag-{time.time_ns()}"
    page.goto(f"/?tags={tag}")
    expect(page.get_by_text("No job matches.")).to_be_visible()
    job_id = installed.post(program, {"n": 30, "pause": 0.3}, tags=[tag])
    row = page.locator("tbody tr")
    for words in ("Running", "of 30", "Completed"):
        expect(row).to_contain_text(words, timeout=WAIT_MS)
    expect(row).to_contain_text(job_id[:8])
    page.get_by_label("Status").select_option("Failed")
    expect(page.get_by_text("No job matches.")).to_be_visible()


def test_job_that_waits_says_for_what(page, installed, program):
    """A job that kubectl has suspended, until it goes on."""
    name = make_name()
    installed.apply("RuntimeJob", name, {"programId": program, "suspend": True})
    page.goto(f"/?search={name}")
    row = page.locator("tbody tr")
    expect(row).to_contain_text("suspend", timeout=WAIT_MS, ignore_case=True)
    installed.kubectl("patch", "rj", name, "--type=merge", "-p", '{"spec": {"suspend": false}}')
    expect(row).to_contain_text("Completed", timeout=WAIT_MS)


def test_dropped_file_is_a_program_whose_job_has_a_pod(page, installed):
    """It gets a form, and its job a pod and a result."""
    name = f"dropped-{time.time_ns()}"
    page.goto("/?view=programs")
    page.get_by_label("Program file").set_input_files(
        {"name": f"{name}.py", "mimeType": "text/x-python", "buffer": STAGES.encode()}
    )
    expect(page.get_by_role("status")).to_contain_text("Uploaded as")
    page.get_by_role("link", name=name, exact=True).click()
    page.get_by_label("Parameters, as a JSON object").fill('{"n": 4}')
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("heading", name="Job of")).to_contain_text("Completed", timeout=WAIT_MS)


def test_backends_and_the_system_are_shown(page, installed):
    """The map of a device with its errors, and the installation's jobs, pods and storage."""
    page.goto("/?view=backends")
    page.get_by_role("link", name="aer_montreal", exact=True).click()
    expect(page.locator("svg.map circle")).to_have_count(27)
    page.goto("/?view=system")
    told = installed.http.get("/system").json()
    shown = page.locator("dl")
    expect(shown).to_contain_text("Kubernetes")
    expect(shown).to_contain_text(told["version"])
    # Nothing may be stored yet, or much.
    expect(page.get_by_role("progressbar", name=re.compile("[0-9] [KM]?i?B of "))).to_be_visible()
