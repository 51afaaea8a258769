"""The tutorial that is a notebook: its cells run, and a person sees them in JupyterLab."""

import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import nbformat
import pytest
from nbclient import NotebookClient

from tests.api.conftest import run_server
from tests.chromium import open_chromium
from tests.documents import DOCS, find_free_port

NOTEBOOK = DOCS / "tutorials" / "notebook.ipynb"
WIDGETS = "application/vnd.jupyter.widget-state+json"
VIEW = "application/vnd.jupyter.widget-view+json"
MOST_BYTES = 20_000
TRUTH = -1.857275
TOKEN = "seen-by-this-test-alone"

SETTINGS = {
    "apputils-extension/notification": '{"fetchNews": "false", "checkForUpdates": false}',
    "notebook-extension/tracker": '{"windowingMode": "none"}',
}
"""JupyterLab asks for no news, and keeps what has been scrolled away."""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The server of the reader."""
    with run_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def environment(server, tmp_path, monkeypatch):
    """The environment of a notebook: the server's address, and Jupyter's folders of this test."""
    monkeypatch.setenv("RUNTIME_URL", f"http://127.0.0.1:{server.port}")
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    return tmp_path


def test_notebook_in_the_tree_has_no_outputs():
    """It is small, and what a run has left is not in it."""
    assert NOTEBOOK.stat().st_size < MOST_BYTES
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(cells) >= 8
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)
    assert "widgets" not in notebook.metadata


def execute(folder):
    """Run all cells in a kernel; returns the notebook."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    resources = {"metadata": {"path": str(folder)}}
    return NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources=resources
    ).execute()


def find_output(notebook, beginning):
    """Return the data of the first output of the cell that begins so."""
    (cell,) = (one for one in notebook.cells if one.source.startswith(beginning))
    return cell.outputs[0]["data"]


@pytest.mark.timeout(180)
# Each kernel says so of itself; jupyter_client's sockets close with the collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_every_cell_runs_and_the_numbers_are_right(environment):
    """The widgets have whole jobs, the table both optimisers, and the exact one the energy."""
    notebook = execute(environment)
    widgets = notebook.metadata.widgets[WIDGETS]["state"]
    for beginning, program in (("sampled", "vqe"), ("exact =", "vqe"), ("def flip", "flip-coins")):
        data = find_output(notebook, beginning)
        state = widgets[data[VIEW]["model_id"]]["state"]
        assert data["text/plain"].startswith("AsyncJob(")
        assert (state["facts"]["program"], state["facts"]["status"]) == (program, "Completed")
        assert sum(len(frames) for name, frames in state.items() if name.startswith("part_")) > 20
    assert "energy" in find_output(notebook, "import pandas")["text/html"]
    rows = find_output(notebook, "import numpy")["text/plain"].splitlines()[-2:]
    (_, settled, error), (_, exact_settled, exact_error) = (
        map(float, row.split()[-3:]) for row in rows
    )
    assert error < 0.05 and exact_error < 1e-3
    assert settled > 50 and exact_settled < 50
    assert "image/png" in find_output(notebook, "import matplotlib")


@contextmanager
def run_lab(folder):
    """A JupyterLab of its own; yields its address."""
    place = folder / "JUPYTER_CONFIG_DIR" / "lab" / "user-settings" / "@jupyterlab"
    for name, text in SETTINGS.items():
        file = place / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(text)
    port = find_free_port()
    options = [
        *("--no-browser", "--allow-root", f"--ServerApp.port={port}", "--ServerApp.ip=127.0.0.1"),
        *(f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={folder}"),
        *("--ServerApp.terminals_enabled=False", "--LabApp.expose_app_in_browser=True"),
        *("--LabApp.news_url=None", "--LabApp.extension_manager=readonly"),
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    with (folder / "lab.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options], stdout=log, stderr=log
        )
    try:
        base = f"http://127.0.0.1:{port}"
        wait_for(f"{base}/api", process, folder / "lab.log")
        yield base
    finally:
        # It ends its kernels.
        process.terminate()
        process.wait(timeout=20)


def wait_for(url, process, log):
    """Wait until JupyterLab answers."""
    deadline = time.monotonic() + 60
    while True:
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()
        try:
            if httpx.get(url, trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)


PIXELS = """canvas => {
  const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let curve = 0;
  for (let at = 0; at < data.length; at += 4) {
    const far = Math.hypot(data[at] - 0x4f, data[at + 1] - 0x3f, data[at + 2] - 0xc9);
    if (data[at + 3] > 200 && far < 40) curve += 1;
  }
  return curve;
}"""
"""The number of a canvas' pixels in the first curve's colour."""


@pytest.mark.timeout(240)
def test_a_person_sees_the_jobs_in_jupyterlab(environment, server):
    """All cells run in a browser: curves, bars and a line of the log; nothing of another host."""
    from playwright.sync_api import expect

    shutil.copy(NOTEBOOK, environment)
    problems, hosts = [], set()
    with run_lab(environment) as base, open_chromium() as chromium:
        page = chromium.new_page(viewport={"width": 1100, "height": 1300})
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda one: one.type == "error" and problems.append(one.text))
        page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
        page.goto(f"{base}/lab/tree/{NOTEBOOK.name}?token={TOKEN}")
        # Without a kernel it would ask which one to take.
        page.get_by_text("| Idle").wait_for(timeout=60_000)
        page.evaluate("() => void jupyterapp.commands.execute('notebook:run-all-cells')")
        jobs = page.locator("notebook-job")
        expect(jobs).to_have_count(3, timeout=90_000)
        for job in jobs.all():
            expect(job.locator(".status")).to_have_text("Completed", timeout=60_000)
        sampled, exact, coins = jobs.all()
        for job, curve in ((sampled, "energy"), (exact, "energy"), (coins, "all heads")):
            expect(job.locator("figcaption")).to_contain_text(f"{curve}: last")
            assert job.locator("canvas").evaluate(PIXELS) > 100
        expect(sampled.get_by_text("Standard deviation of the energy")).to_be_visible()
        expect(coins.locator("counts-bars tbody tr")).to_have_count(8)
        expect(coins.locator("log-view li")).to_contain_text("1000 throws")
        if picture := os.environ.get("NOTEBOOK_PICTURE"):
            sampled.scroll_into_view_if_needed()
            page.screenshot(path=Path(picture))
    assert problems == []
    assert hosts <= {"127.0.0.1", None}
