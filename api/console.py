"""The console: its page at ``/`` and the files that this loads, read once and compressed once."""

import gzip
import hashlib
import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, Response

import qiskit_runtime.console

FOLDER = Path(qiskit_runtime.console.__file__).parent
"""The folder of the files; ``index.html`` is the page, the others are what it loads."""

SERVED = frozenset({".css", ".js", ".svg"})
"""The kinds of files that the page loads."""

FOR_NOTEBOOKS = "notebook-"
"""The beginning of the names of what only a notebook loads, by ``bundle``."""

POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'; trusted-types lit-html"
)
"""The page's policy: nothing of another host, no script within the page, and no text as HTML but
the templates of Lit, which are our own."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

_FOR_READERS = re.compile(rb"^[ \t]*(?:/\*\*.*?\*/\n|//[^\n]*\n)|^[ \t]+", re.DOTALL | re.MULTILINE)
"""What our own scripts have for people who read them: comments on lines of their own, and
indentation, which no browser shows. It is a seventh of what they take compressed."""

_SESSION = """<form method="post" action="/logout"><button>Log out</button></form>"""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file, also compressed, with its media type and the tag of its content."""

    content: bytes
    packed: bytes
    kind: str
    tag: str

    def answer(self, headers: Headers) -> Response:
        """Return the answer to a request with these headers: browsers ask whether it is new."""
        common = {"ETag": self.tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if self.tag in headers.get("if-none-match", ""):
            return Response(status_code=304, headers=common)
        if "gzip" not in headers.get("accept-encoding", ""):
            return Response(self.content, media_type=self.kind, headers=common)
        return Response(
            self.packed, media_type=self.kind, headers=common | {"Content-Encoding": "gzip"}
        )


def read_assets(folder: Path = FOLDER) -> Mapping[str, Asset]:
    """Return what the page loads, by its path in the folder. No other path leads anywhere."""
    files = (
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix in SERVED and not path.name.startswith(FOR_NOTEBOOKS)
    )
    return {path.relative_to(folder).as_posix(): _read_asset(path) for path in files}


def _read_asset(path: Path) -> Asset:
    content = path.read_bytes()
    if path.suffix == ".js" and path.parent == FOLDER:
        content = _FOR_READERS.sub(b"", content)
    kind = "text/javascript" if path.suffix == ".js" else mimetypes.guess_type(path.name)[0]
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    # Without the time of day: replicas send the same bytes.
    return Asset(content, gzip.compress(content, 9, mtime=0), kind or "text/plain", tag)


class ConsolePage:
    """The page at ``/``, which differs by who opens it, and works without scripts as far as that:
    to the documentation, and out.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        self._before, self._after = (folder / "index.html").read_text().split("<!-- account -->")

    def answer(self, name: str, *, has_session: bool) -> Response:
        """Return the page for the account of this name, with the way out of a browser's session."""
        who = f"You are logged in{f' as {escape(name)}' if name else ''}."
        account = f"<p>{who}</p>{_SESSION}" if has_session else ""
        return HTMLResponse(self._before + account + self._after, headers=HEADERS)
