"""The console's files: what they are made of, and how they are served."""

import gzip
import hashlib
import re
import subprocess
import tomllib
from pathlib import Path

import httpx
import pytest

from api.console import FOLDER, POLICY, read_assets

ROOT = Path(__file__).parents[3]
ROW = re.compile(r"\| (\S+) \| (\S+) \| (\S+) \| (\S+) \| (\d+) \| ([0-9a-f]{64}) \|")


def test_vendored_files_are_those_of_the_list():
    """Each has the size and the digest of VENDOR.md, and its licence is there."""
    rows = ROW.findall((FOLDER / "vendor" / "VENDOR.md").read_text())
    assert {file for file, *_ in rows} == {
        path.name for path in (FOLDER / "vendor").iterdir() if path.suffix in (".js", ".css")
    }
    for file, name, _, _, size, digest in rows:
        content = (FOLDER / "vendor" / file).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (int(size), digest)
        assert "Copyright" in (FOLDER / "vendor" / f"LICENSE.{name}").read_text()


def test_every_file_is_packed():
    """The wheel, and so the images, have all files of the folder."""
    document = tomllib.loads((ROOT / "pyproject.toml").read_text())
    patterns = document["tool"]["setuptools"]["package-data"]["qiskit_runtime"]
    packed = {path for pattern in patterns for path in (ROOT / "qiskit_runtime").glob(pattern)}
    listed = subprocess.run(
        ["git", "ls-files", str(FOLDER)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    kept = {ROOT / name for name in listed.stdout.split() if not name.endswith(".py")}
    assert len(kept) > 30 and kept <= packed


def test_our_modules_are_short_and_trust_no_text():
    """A file is one element or one duty, and none makes HTML of text."""
    for path in FOLDER.glob("*.js"):
        text = path.read_text()
        assert text.startswith("// "), f"{path.name} says what it is"
        assert text.count("\n") <= 300, path.name
        assert not re.search(
            r"innerHTML|outerHTML|unsafe|insertAdjacent|\beval\b|document\.write", text
        )


def test_console_alone_says_english_words_in_one_file():
    """Labels that people read are in texts.js; each is used somewhere."""
    texts = (FOLDER / "texts.js").read_text()
    names = re.findall(r"^  (\w+):", texts, re.MULTILINE)
    assert len(names) == len(set(names)) > 100
    others = "".join(path.read_text() for path in FOLDER.glob("*.js") if path.name != "texts.js")
    assert [name for name in names if f"texts.{name}" not in others] == []
    assert re.findall(r">\s*[A-Z][a-z]+ [a-z]+", others) == []


@pytest.fixture(scope="module")
def asset(server):
    """Get a file of the console as a browser does."""

    def get(path, **headers):
        return server.http.get(f"/console/{path}", headers=headers)

    return get


def test_file_is_compressed_and_asked_for_once(asset):
    """A browser gets gzip, keeps it, and asks with its tag whether it is new."""
    answer = asset("app.js", **{"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.content == read_assets()["app.js"].content
    again = asset("app.js", **{"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304 and again.content == b""
    plain = asset("app.js", **{"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers and plain.content == answer.content
    assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path", ["", "nope.js", "assets.py", "index.html", "__init__.py", "%2e%2e/main.py", "vendor"]
)
def test_nothing_else_is_served(server, path):
    """Whatever path is asked for: what the page loads is all that there is."""
    answer = httpx.get(f"http://127.0.0.1:{server.port}/console/{path}", trust_env=False)
    assert answer.status_code == 404


def test_page_is_for_people_and_closed_to_others(server):
    """The page loads nothing of other hosts, no inline script, and no text as HTML."""
    answer = server.http.get("/", headers={"Accept": "text/html"})
    assert answer.headers["content-security-policy"] == POLICY
    assert "default-src 'self'" in POLICY and "require-trusted-types-for 'script'" in POLICY
    assert "unsafe" not in POLICY
    assert answer.headers["x-frame-options"] == "DENY"
    assert not re.search(r"<script(?![^>]* src=)|<style|\bstyle=|\son\w+=", answer.text)
    assert server.http.get("/", headers={"Accept": "application/json"}).status_code == 404


def test_scripts_are_served_without_what_is_for_their_readers():
    """Comments and indentation are left out, all code is there, and libraries are whole."""
    assets = read_assets()
    for path in (path for path in FOLDER.glob("*.js") if path.name in assets):
        code = [line.strip() for line in path.read_text().splitlines()]
        served = assets[path.name].content.decode().splitlines()
        comment = re.compile(r"(//|/\*\*|\*/|\* |\*$)")
        assert [line for line in served if line] == [
            line.rstrip() for line in code if line and not comment.match(line)
        ], path.name
    assert {path.name for path in FOLDER.glob("*.js")} - {*assets} == {
        "notebook-job.js", "notebook-loader.js"
    }  # fmt: skip
    whole = (FOLDER / "vendor" / "uplot.js").read_bytes()
    assert assets["vendor/uplot.js"].content == whole


def test_all_files_together_are_small():
    """All pages together take less than 77 KB to load, our own less than 47."""
    assets = read_assets()
    sizes = {path: len(asset.packed) for path, asset in assets.items()}
    own = sum(size for path, size in sizes.items() if not path.startswith("vendor/"))
    assert own < 47_000, own
    assert sum(sizes.values()) < 77_000
    assert all(gzip.decompress(one.packed) == one.content for one in assets.values())
