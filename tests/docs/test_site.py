"""The documents as a site, and the pictures that scripts make: all is local, and up to date."""

import os
import re
import runpy
import subprocess
import sys

import pytest
from PIL import Image

from tests.documents import DOCS, ROOT

ASSETS = DOCS / "assets"
EXTERNAL = re.compile(
    r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?(?:https?:)?//[^>]*>"
    r"|<link\b[^>]*\bhref=[\"']?(?:https?:)?//[^>]*>"
    r"|class=[\"']?mermaid"
)
"""What would be loaded from another host; material loads Mermaid where a diagram is."""


def run(tool):
    """Return what a script of docs/tools defines."""
    return runpy.run_path(str(DOCS / "tools" / f"{tool}.py"))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built strictly: a page that is not in the contents or a broken link fails."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_site_loads_nothing_from_another_host(site):
    """The site can be read without the internet."""
    pages = list(site.rglob("*.html"))
    assert len(pages) >= len(list(DOCS.rglob("*.md")))
    for page in pages:
        assert EXTERNAL.findall(page.read_text("utf-8")) == [], page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(?:https?:)?//|@import", sheet.read_text("utf-8")), sheet


def test_site_has_the_project_s_own_pages(site):
    """Files outside docs/ that the pages link to are in the site, and their links work."""
    chart = (site / "repository" / "charts" / "qiskit-runtime" / "index.html").read_text("utf-8")
    assert 'href="../../../how-to/operate.html"' in chart
    assert (site / "repository" / "SECURITY.html").is_file()


def test_badges_say_what_the_repository_says():
    """Versions and licence are those of the files that have them."""
    for name, text in run("badges")["make_badges"]().items():
        assert (ASSETS / name).read_text("utf-8") == text, f"{name}: make drawings"


def test_drawings_are_of_the_diagrams_in_the_documents():
    """The picture on the site is the one that GitHub draws from the text."""
    tool = run("drawings")
    for name, text in tool["find_diagrams"]():
        drawn = (ASSETS / name).read_text("utf-8")
        assert drawn.rstrip().endswith(tool["make_mark"](text)), f"{name}: make drawings"


@pytest.mark.parametrize("picture", sorted(ASSETS.glob("*.svg")), ids=lambda picture: picture.name)
def test_pictures_need_nothing_else(picture):
    """No script, no font and no picture from elsewhere; GitHub would show none of them."""
    text = picture.read_text("utf-8")
    assert "<script" not in text and "@import" not in text
    assert not re.search(r"(href|src)=\"(?!#)|url\((?!#)", text)


def test_recording_of_the_console_moves_and_is_small():
    """The picture of the README's console has its steps, each long enough to be seen."""
    path = ASSETS / "console.webp"
    assert path.stat().st_size <= 600 * 1024
    with Image.open(path) as picture:
        assert picture.format == "WEBP" and 15 <= picture.n_frames <= 80
        shown = []
        for number in range(picture.n_frames):
            picture.seek(number)
            picture.load()
            shown.append(picture.info["duration"])
    assert min(shown) >= 200 and 15_000 <= sum(shown) <= 60_000


def test_recording_is_of_the_whole_command():
    """The recording begins with the command and ends with what to try next."""
    text = (ASSETS / "quickstart.svg").read_text("utf-8")
    assert "make quickstart" in text and "What to try next:" in text
    assert "@keyframes" in text and "prefers-reduced-motion" in text
    tool = run("record_quickstart")
    terminal = tool["Terminal"]()
    terminal.feed("one\r\ntwo\x1b[1A\x1b[2K\rthree\x1b[31m!\x1b[0m")
    shown = ["".join(character for character, _ in row) for row in terminal.rows()[:2]]
    assert shown == ["three!", "two"]
