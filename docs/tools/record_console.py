"""Record the console as an animated picture: a person runs vqe, watches it, compares, and shares.

``make recording`` runs it; it needs Chromium. A server of its own does the work, at its own speed,
and nothing that is shown is made up; what takes long has fewer pictures. The pointer is drawn where
the click goes.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw
from playwright.sync_api import Locator, Page, ViewportSize, sync_playwright

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs" / "assets" / "console.webp"
SIZE: ViewportSize = {"width": 860, "height": 600}
URL = re.compile(r"http://127\.0\.0\.1:\d+")
START_SECONDS, RUN_SECONDS = 60, 240
STEP, LAST_PAUSE = 1.1, 4.0
"""How long a step is shown, and the last one, in seconds."""

RUN_FRAMES, RUN_PAUSE = 16, 0.3
"""The most pictures of a job that runs, and how long each is shown."""

ARROW = [(0, 0), (0, 17), (4, 13), (7, 20), (10, 19), (7, 12), (12, 12)]


@dataclass
class Recording:
    """The pictures of a page, each with the milliseconds that it is shown."""

    page: Page
    pictures: list[Image.Image] = field(default_factory=list)
    times: list[int] = field(default_factory=list)

    def take(self, seconds: float, pointer: tuple[float, float] | None = None) -> None:
        """Add what the page shows now; the same as before is shown longer."""
        picture = Image.open(BytesIO(self.page.screenshot())).convert("RGB")
        if pointer:
            arrow = [(x + pointer[0], y + pointer[1]) for x, y in ARROW]
            ImageDraw.Draw(picture).polygon(arrow, fill="#111", outline="#fff")
        if self.pictures and self.pictures[-1].tobytes() == picture.tobytes():
            self.times[-1] += int(seconds * 1000)
            return
        self.pictures.append(picture)
        self.times.append(int(seconds * 1000))

    def click(self, target: Locator) -> None:
        """Point at something, then click it."""
        target.scroll_into_view_if_needed()
        box = target.bounding_box()
        assert box
        self.take(STEP, (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2))
        target.click()

    def save(self, path: Path) -> None:
        """Write the animated picture."""
        first, *others = self.pictures
        first.save(
            path, save_all=True, append_images=others, duration=self.times, loop=0,
            quality=82, method=6, minimize_size=True, allow_mixed=True,
        )  # fmt: skip


@contextmanager
def serve() -> Iterator[str]:
    """The address of a new server, as ``make serve`` starts one."""
    with tempfile.TemporaryDirectory() as data:
        command = [sys.executable, "-m", "api.cli", "serve", "--port", "0", "--data", data]
        with (Path(data) / "output").open("w+") as output:
            process = subprocess.Popen(
                command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
            )
            try:
                yield _find_address(Path(output.name))
            finally:
                process.terminate()
                process.wait()


def _find_address(output: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if found := URL.search(output.read_text()):
            return found[0]
        time.sleep(0.1)
    return sys.exit(f"the server did not start: {output.read_text()}")


def tell(recording: Recording, address: str) -> None:
    """Do what a person does who sees the console for the first time."""
    page = recording.page
    page.goto(address)
    page.get_by_text("There is no job yet.").wait_for()
    recording.take(STEP)
    recording.click(page.locator("header").get_by_role("link", name="Programs"))
    recording.click(page.get_by_role("link", name="vqe", exact=True))
    page.get_by_role("button", name="Run", exact=True).wait_for()
    recording.take(STEP)
    recording.click(page.get_by_role("button", name="Run", exact=True))
    first = watch(recording)
    recording.click(page.get_by_role("link", name="Run again, edited"))
    field_of_optimizer = page.get_by_label("optimizer", exact=True)
    field_of_optimizer.fill("COBYLA")
    field_of_optimizer.scroll_into_view_if_needed()
    recording.take(STEP)
    recording.click(page.get_by_role("button", name="Run", exact=True))
    second = watch(recording)
    compare(recording, [first, second])
    recording.take(LAST_PAUSE)


def watch(recording: Recording) -> str:
    """Watch the curve of the job that has just been posted; return the job's id."""
    page = recording.page
    page.locator("canvas").wait_for(timeout=60_000)
    page.locator("convergence-plot").evaluate("one => one.scrollIntoView({block: 'center'})")
    heading, begin = page.get_by_role("heading", name="Job of vqe"), time.monotonic()
    for turn in range(RUN_FRAMES):
        recording.take(RUN_PAUSE)
        # Dense at first, where the curve falls, and then less so.
        page.wait_for_timeout(300 + 120 * turn)
        if "Completed" in heading.inner_text():
            break
    while "Completed" not in heading.inner_text():
        page.wait_for_timeout(200)
        if time.monotonic() - begin > RUN_SECONDS:
            sys.exit(f"the job did not complete: {heading.inner_text()}")
    page.wait_for_timeout(500)
    recording.take(STEP)
    page.evaluate("scrollTo(0, 0)")
    recording.take(STEP)
    return page.url.rpartition("id=")[2]


def compare(recording: Recording, jobs: list[str]) -> None:
    """Choose the jobs on their list, lay their curves over each other, and copy a job's link."""
    page = recording.page
    recording.click(page.locator("header").get_by_role("link", name="Jobs"))
    for job in jobs:
        recording.click(page.get_by_label(f"Choose job {job}"))
    recording.click(page.get_by_role("link", name="Compare 2 jobs"))
    page.locator("canvas").wait_for()
    page.wait_for_timeout(500)
    recording.take(STEP)
    page.locator("convergence-plot").evaluate("one => one.scrollIntoView({block: 'center'})")
    page.wait_for_timeout(300)
    recording.take(2 * STEP)
    page.evaluate("scrollTo(0, 0)")
    recording.click(page.get_by_role("link", name=re.compile(jobs[1][:8])).first)
    page.get_by_role("heading", name="Job of vqe").wait_for()
    recording.click(page.get_by_role("button", name="Copy the link"))
    page.get_by_text("The link is copied.").wait_for()


def record() -> Recording:
    """Return the recording of the whole story."""
    with serve() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        context = browser.new_context(viewport=SIZE, color_scheme="light")
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=address)
        recording = Recording(context.new_page())
        tell(recording, address)
        browser.close()
    return recording


if __name__ == "__main__":
    record().save(PICTURE)
    sys.stdout.write(f"{PICTURE}: {PICTURE.stat().st_size / 1024:.0f} KiB\n")
