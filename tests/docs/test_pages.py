"""All pages of the documents: their blocks run, and their links lead somewhere.

The pages whose outputs are measured, and the figures, are in test_tutorials.py; the README is in
tests/test_readme.py.
"""

import json
import re
import subprocess
from collections import Counter

import pytest

from tests import documents
from tests.cluster.target import JOBS_NAMESPACE, require_cluster
from tests.docs import test_tutorials
from tests.documents import DOCS, README, ROOT, Reader, read_blocks, read_parts

PAGES = {str(page.relative_to(ROOT)): page for page in [README, *sorted(DOCS.rglob("*.md"))]}
MEASURED = {f"docs/{page}.md" for page in test_tutorials.CHECKS}
PROJECT = ["ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"]
LINKED = PAGES | {name: ROOT / name for name in [*PROJECT, "charts/qiskit-runtime/README.md"]}
LANGUAGES = {"bash", "python", "yaml", "json", "text", "dockerfile", "mermaid"}
NOT_RUN = {
    "docs/README.md": 1,
    "docs/how-to/accounts.md": 2,
    "docs/how-to/install-on-kubernetes.md": 5,
    "docs/how-to/packages.md": 2,
    "docs/how-to/run-a-local-server.md": 3,
    "docs/how-to/use-old-clients.md": 1,
}
"""The blocks that nobody runs: each needs a reason, and to be counted here."""


def find_pages(*, on_a_cluster):
    """Return the pages with commands that run (not) on a cluster, apart from the README."""
    return [
        name
        for name, page in PAGES.items()
        if page != README
        and any(
            block.language == "bash" and not block.mark.startswith(documents.NOT_RUN)
            for block in read_parts(page, on_a_cluster=on_a_cluster)
        )
    ]


@pytest.fixture
def reader(tmp_path):
    """A reader with a checkout of their own."""
    folder = documents.make_checkout(tmp_path / "checkout")
    environment = documents.make_environment(tmp_path)
    return Reader(folder, environment | {"MPLBACKEND": "Agg", "PIP_DISABLE_PIP_VERSION_CHECK": "1"})


def compare(output, text):
    """Check that a block printed what the page shows."""
    assert documents.normalise(output) == documents.normalise(text)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", sorted(set(find_pages(on_a_cluster=False)) - MEASURED))
def test_every_block_runs_and_prints_what_the_page_says(name, reader):
    """A reader who copies the blocks in order sees what the page shows."""
    reader.read(read_parts(PAGES[name], on_a_cluster=False), compare)


def delete(cluster, manifest):
    """Delete what a page has applied, also if it failed half way."""
    command = ["delete", "--ignore-not-found", "--wait=false", "-f", manifest]
    target = ["--kubeconfig", cluster.kubeconfig, "-n", JOBS_NAMESPACE]
    subprocess.run([cluster.kubectl, *target, *command], check=True, capture_output=True)


@pytest.mark.cluster
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", find_pages(on_a_cluster=True))
def test_every_block_for_a_cluster_runs(name, reader):
    """The same of the blocks that need a cluster, with the files that the page has written."""
    cluster = require_cluster()
    written = [one for one in read_blocks(PAGES[name]) if one.mark.startswith(documents.FILE)]
    chosen = read_parts(PAGES[name], on_a_cluster=True)
    try:
        compare_output = test_tutorials.compare if name in MEASURED else compare
        reader.on_cluster(cluster).read(written + chosen, compare_output)
    finally:
        applied = [one.text for one in chosen if " apply " in one.text]
        for manifest in re.findall(r" -f (\S+\.yaml)", "".join(applied)):
            if (reader.folder / manifest).exists():
                delete(cluster, reader.folder / manifest)


@pytest.mark.parametrize("name", PAGES)
def test_every_block_is_of_a_kind_that_is_checked(name):
    """No block slips by the tests unnoticed: it runs, is a file or its part, or says why not."""
    for block in read_blocks(PAGES[name]):
        assert block.language in LANGUAGES
        if block.language in {"python", "yaml", "dockerfile"}:
            assert block.mark.startswith((documents.FILE, documents.PART))
        elif block.language == "mermaid":
            assert block.mark.startswith(documents.DRAWN)
        elif block.mark.startswith(documents.NOT_RUN):
            assert len(block.mark) > len(documents.NOT_RUN) + 10
        else:
            plain = {"", documents.ON_A_CLUSTER}
            assert block.mark in plain or block.mark.startswith(
                (documents.BACKGROUND, documents.FILE)
            )
        if block.language == "json":
            json.loads(block.text)


def test_blocks_that_nobody_runs_are_counted():
    """A command that is not tried needs a reason, and its number in this file."""
    marks = Counter(
        name
        for name, page in PAGES.items()
        for block in read_blocks(page)
        if block.mark.startswith(documents.NOT_RUN)
    )
    assert marks == NOT_RUN


def find_anchors(document):
    """Return the anchors of a document's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", document.read_text("utf-8"), re.MULTILINE)
    return [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]


@pytest.mark.parametrize("name", LINKED)
def test_every_link_leads_somewhere(name):
    """Files, pictures and headings that a page links to are there."""
    document = LINKED[name]
    for target, heading in re.findall(
        r"\]\((?!http)([^)#]*)#?([^)]*)\)", document.read_text("utf-8")
    ):
        linked = document.parent / target if target else document
        assert linked.exists(), target
        if heading:
            assert heading in find_anchors(linked), (target, heading)


def test_every_page_is_linked_from_the_contents():
    """A reader of docs/README.md finds every page."""
    text = (DOCS / "README.md").read_text("utf-8")
    pages = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")} - {"README.md"}
    assert pages <= set(re.findall(r"\]\(([\w/-]+\.md)", text))
