"""Write the chart's README: its table of values, from the ``# --`` comments of values.yaml.

``make manifests`` runs it; tests/charts checks that the file is up to date.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parents[2] / "charts" / "qiskit-runtime"
MARK = "# --"
INDENT = "  "
HEAD = """\
# qiskit-runtime, a Helm chart

{description}. Version {version}.

- [How to install on Kubernetes]({docs}/install-on-kubernetes.md): building the
  images, install, upgrade, uninstall.
- [How to operate an installation]({docs}/operate.md): limits, isolation, Redis, Kueue.

This file is made from the comments of `values.yaml` by `make manifests`.

## Values

| value | default | meaning |
| --- | --- | --- |
"""
DOCS = "../../docs/how-to"


def read_comments(text: str) -> dict[str, str]:
    """Return the ``# --`` comment of each value, by the value's dotted name."""
    comments: dict[str, str] = {}
    parents: list[str] = []
    comment: list[str] = []
    for line in text.splitlines():
        words = line.strip()
        if words.startswith(MARK):
            comment = [words.removeprefix(MARK).strip()]
        elif words.startswith("#") and comment:
            comment.append(words.removeprefix("#").strip())
        elif words and not words.startswith("#"):
            depth = (len(line) - len(line.lstrip())) // len(INDENT)
            parents = [*parents[:depth], words.partition(":")[0]]
            if comment:
                comments[".".join(parents)] = " ".join(comment)
            comment = []
    return comments


def find_values(
    values: dict[str, Any], described: set[str], path: str = ""
) -> Iterator[tuple[str, Any]]:
    """Yield each value by its dotted name; a described mapping is one value."""
    for name, value in values.items():
        if isinstance(value, dict) and path + name not in described:
            yield from find_values(value, described, f"{path}{name}.")
        else:
            yield path + name, value


def render() -> str:
    """Return the README's text; a value without a comment is a KeyError."""
    text = (CHART / "values.yaml").read_text("utf-8")
    comments = read_comments(text)
    about = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    rows = [
        f"| `{name}` | `{json.dumps(value)}` | {comments[name]} |\n"
        for name, value in find_values(yaml.safe_load(text), set(comments))
    ]
    return HEAD.format(**about, docs=DOCS) + "".join(rows)


if __name__ == "__main__":
    (CHART / "README.md").write_text(render(), "utf-8")
    sys.stdout.write(f"{CHART / 'README.md'} is up to date\n")
