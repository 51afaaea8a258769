"""The pages of a login: HTML without scripts, which loads nothing, not even from this server."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from html import escape

from starlette.responses import HTMLResponse

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #f6f7f9; --card: #fff; --line: #767d87;
  --quiet: #57606a; --accent: #4f3fc9; --on-accent: #fff; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --paper: #14161a; --card: #1e2127;
  --line: #8b929c; --quiet: #a8b0ba; --accent: #b3a8ff; --on-accent: #14161a; --bad: #ff9d94; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem;
  background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
main { width: 100%; max-width: 26rem; padding: 2rem; background: var(--card);
  border: 1px solid color-mix(in srgb, var(--line) 40%, transparent); border-radius: .75rem; }
h1 { margin: 0 0 1rem; font-size: 1.4rem; }
p { margin: 0 0 1.25rem; color: var(--quiet); overflow-wrap: anywhere; }
p[role=alert] { color: var(--bad); font-weight: 600; }
label { display: block; font-weight: 600; }
small { display: block; color: var(--quiet); }
input, button { width: 100%; font: inherit; padding: .6rem .75rem; border-radius: .4rem; }
input { margin: .35rem 0; color: inherit; background: transparent; border: 1px solid var(--line); }
input[aria-invalid] { border-color: var(--bad); }
button { margin-top: 1rem; border: 1px solid var(--accent); background: var(--accent);
  color: var(--on-accent); font-weight: 600; cursor: pointer; }
button.second { background: transparent; color: var(--accent); }
a { color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
"""

_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

UNFRAMED = {"X-Frame-Options": "DENY"}
"""The header of every page here: in a frame of another's, a click could be led astray."""

_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)

HEADERS = UNFRAMED | {
    "Cache-Control": "no-store",
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    # With no-referrer a browser would send the forms here with the origin "null".
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
{head}<style>{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""

_FORM = """<form method="post" action="/login">
<input type="hidden" name="next" value="{next_path}">
<label for="token">Token</label>
<input id="token" name="token" type="password" required autofocus spellcheck="false"
 autocomplete="current-password" aria-describedby="hint{described}"{invalid}>
<small id="hint">The one that programs send as <code>Authorization: Bearer</code>.</small>
<button{kind}>Log in</button>
</form>"""

_PROVIDER_FORM = """<form method="post" action="/login/oidc">
<input type="hidden" name="next" value="{next_path}">
<button>Log in at {provider}</button>
</form>
<p>or with a token:</p>"""


def make_login_page(
    next_path: str,
    *,
    provider: str = "",
    error: str = "",
    note: str = "",
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """Return the page with the token's form, and a button for the provider if one is named."""
    hidden = escape(next_path)
    parts = [f'<p id="error" role="alert">{escape(error)}</p>'] if error else []
    parts += [f'<p class="note" role="status">{escape(note)}</p>'] if note else []
    if provider:
        parts.append(_PROVIDER_FORM.format(next_path=hidden, provider=escape(provider)))
    form = _FORM.format(
        next_path=hidden,
        described=" error" if error else "",
        invalid=' aria-invalid="true"' if status == 401 else "",
        kind=' class="second"' if provider else "",
    )
    return _make_page("Log in to Qiskit Runtime", [*parts, form], status=status, headers=headers)


def make_onward_page(url: str) -> HTMLResponse:
    """Return a page that goes on to another at once.

    A redirect would not do: it counts as made by the site that led here, so that no cookie with
    SameSite=Strict comes with it, and a form's policy would hold for the provider too.
    """
    target = escape(url)
    head = f'<meta http-equiv="refresh" content="0;url={target}">\n'
    return _make_page("One moment", [f'<p><a href="{target}">Go on</a></p>'], head=head)


def _make_page(
    title: str,
    parts: Sequence[str],
    *,
    head: str = "",
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    html = _PAGE.format(title=title, head=head, style=_STYLE, body="\n".join(parts))
    return HTMLResponse(html, status, HEADERS | dict(headers or {}))
