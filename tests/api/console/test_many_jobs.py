"""The table over 10,000 jobs: its pages, its filter and its order stay fast and right."""

import time
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import pytest
from playwright.sync_api import expect

from api.jobstore.local.data_folder import DataFolder
from qiskit_runtime.contract.lifecycle import Phase, Reason
from qiskit_runtime.contract.resources.job import Job, JobSpec, JobStatus
from tests.api.conftest import run_server

JOBS = 10_000
SECONDS = 3.0
"""What a click may take; alone on a machine it takes a tenth of it."""


def make_job(number):
    """An ended job: each tenth failed, each thousandth has a tag, a later one ran longer."""
    posted = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(seconds=number)
    has_failed = number % 10 == 0
    spec = JobSpec(
        program_id=("vqe", "sampler", "hello-quantum")[number % 3],
        backend="aer_simulator",
        tags=("rare",) if number % 1000 == 7 else (),
    )
    status = JobStatus(
        phase=Phase.FAILED if has_failed else Phase.COMPLETED,
        reason=Reason.PROGRAM_ERROR if has_failed else Reason.NONE,
        message=f"ValueError: number {number}" if has_failed else "",
        started_at=posted,
        finished_at=posted + timedelta(milliseconds=number),
    )
    name = f"{number:08d}-0000-4000-8000-000000000000"
    return Job(id=name, sequence=number, created=posted, spec=spec, status=status)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server that finds the jobs in its data folder."""
    place = tmp_path_factory.mktemp("many-jobs")
    folder = DataFolder(place / "data")
    folder.open()
    # Nothing here has to outlive the machine.
    with patch("os.fsync"):
        for number in range(1, JOBS + 1):
            folder.create(make_job(number), "{}")
    folder.close()
    with run_server(place) as running:
        yield running


def first_cell(page):
    """Return the id in the first row, shortened as it is shown."""
    return page.locator("tbody tr code").first


def timed(act, first, text):
    """Do something, wait until the first row is of this job, and return the seconds."""
    begin = time.monotonic()
    act()
    expect(first).to_have_text(text)
    return time.monotonic() - begin


def test_ten_thousand_jobs_are_paged_sorted_and_filtered(page, server):
    """Each click leads to the right rows of all, and none takes long."""
    page.goto("/")
    first, shown = first_cell(page), page.get_by_text(" of 10000 jobs")
    expect(first).to_have_text("00010000")
    times = {"next": timed(page.get_by_text("Next page").click, first, "00009950")}
    expect(shown).to_have_text("51 to 100 of 10000 jobs")
    sort = page.get_by_role("button", name="Duration")
    times["sort"] = timed(sort.click, first, "00010000")
    times["turn"] = timed(sort.click, first, "00000001")
    page.goto("/?offset=9950")
    times["last"] = timed(lambda: None, first, "00000050")
    expect(page.get_by_text("Next page")).to_have_count(0)
    page.goto("/")
    status = page.get_by_label("Status")
    times["status"] = timed(lambda: status.select_option("Completed"), first, "00009999")
    expect(page.get_by_text("1 to 50 of 9000 jobs")).to_be_visible()
    page.goto("/")
    search = page.get_by_label("Text in id")
    search.fill("number 4321")
    expect(page.get_by_text("No job matches.")).to_be_visible()
    times["found"] = timed(lambda: search.fill("number 4320"), first, "00004320")
    page.goto("/?tags=rare")
    expect(page.locator("tbody tr")).to_have_count(10)
    assert max(times.values()) <= SECONDS, times
