"""A hook of mkdocs: files of the repository outside docs/ that the pages link to join the site.

On GitHub a page links to ../SECURITY.md; on the site that file is repository/SECURITY.md. A diagram
becomes its picture (see drawings.py), because Mermaid itself would be loaded from another host.
"""

import os
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
FOLDER = "repository/"
LINK = re.compile(r"(\]\()((?!https?:|#)[^)#\s]+)")
DIAGRAM = re.compile(r"<!-- drawn as (\S+\.svg) -->\n```mermaid\n.*?```\n", re.DOTALL)
PICTURES = "docs/assets/"


def to_source(uri: str) -> str:
    """Return the path in the repository of a file of the site."""
    return uri.removeprefix(FOLDER) if uri.startswith(FOLDER) else f"docs/{uri}"


def to_uri(source: str) -> str:
    """Return the place in the site of a file of the repository."""
    return source.removeprefix("docs/") if source.startswith("docs/") else FOLDER + source


def find_links(source: str) -> set[str]:
    """Return the files in the repository that a Markdown file links to."""
    text = (ROOT / source).read_text("utf-8")
    targets = {posixpath.join(posixpath.dirname(source), found[2]) for found in LINK.finditer(text)}
    return {posixpath.normpath(target) for target in targets if (ROOT / target).is_file()}


def on_files(files: Files, config: Any, **_: Any) -> Files:
    """Add what is linked to, and what that links to, to the site's files."""
    to_read = [to_source(file.src_uri) for file in files.documentation_pages()]
    seen = {to_source(file.src_uri) for file in files}
    while to_read:
        for target in sorted(find_links(to_read.pop()) - seen):
            seen.add(target)
            files.append(File.generated(config, to_uri(target), abs_src_path=str(ROOT / target)))
            if target.endswith(".md"):
                to_read.append(target)
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point each link at its file's place in the site."""
    source = to_source(page.file.src_uri)
    folder = posixpath.dirname(source)

    def replace(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, found[2]))
        if not (ROOT / target).is_file():
            return found[0]  # mkdocs reports it
        return found[1] + os.path.relpath(to_uri(target), posixpath.dirname(page.file.src_uri))

    to_root = os.path.relpath(".", folder or ".")
    markdown = DIAGRAM.sub(rf"![]({to_root}/{PICTURES}\1)\n", markdown)
    return LINK.sub(replace, markdown)
