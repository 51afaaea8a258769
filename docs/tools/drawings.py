"""Draw the Mermaid diagrams of the documents as SVG files, for the site, which loads no script.

``make drawings`` runs it; it needs npm and Chromium. A diagram has the comment ``drawn as NAME``
before it. Its picture holds the digest of its text, by which tests/docs sees that it is up to date.
"""

import hashlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
ASSETS = ROOT / "docs" / "assets"
DOCUMENTS = (ROOT / "README.md", ROOT / "ARCHITECTURE.md")
MERMAID = "mermaid@11.17.2"
DIAGRAM = re.compile(r"<!-- drawn as (\S+\.svg) -->\n```mermaid\n(.*?)```\n", re.DOTALL)
SETTINGS = """{startOnLoad: false, theme: 'neutral', fontFamily: 'Helvetica, Arial, sans-serif',
  htmlLabels: false, flowchart: {htmlLabels: false}, deterministicIds: true}"""


def find_diagrams() -> Iterator[tuple[str, str]]:
    """Yield each diagram's picture and text."""
    for document in DOCUMENTS:
        yield from DIAGRAM.findall(document.read_text("utf-8"))


def make_mark(text: str) -> str:
    """Return the comment that a picture of this text ends with."""
    return f"<!-- {hashlib.sha256(text.encode()).hexdigest()} -->"


def draw(diagrams: dict[str, str]) -> None:
    """Write the pictures, by Mermaid in a headless Chromium."""
    from playwright.sync_api import sync_playwright  # slow to import, and tests read the marks only

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        subprocess.run(["npm", "pack", "--silent", MERMAID], cwd=folder, check=True)
        (archive,) = Path(folder).glob("*.tgz")
        shutil.unpack_archive(archive, folder)
        chromium = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.add_script_tag(path=f"{folder}/package/dist/mermaid.min.js")
        page.evaluate(f"mermaid.initialize({SETTINGS})")
        for name, text in diagrams.items():
            script = "async text => (await mermaid.render('drawing', text)).svg"
            picture = page.evaluate(script, text).replace("<br>", "<br/>")
            picture = re.sub(r' data-[\w-]+="[^"]*"', "", picture)
            picture = re.sub(r"(\d\.\d)\d+", r"\1", picture)
            picture = picture.replace('style="', 'style="background: #fff; ', 1)
            (ASSETS / name).write_text(f"{picture}\n{make_mark(text)}\n", "utf-8")


if __name__ == "__main__":
    draw(dict(find_diagrams()))
