"""Scripts read as far as to tell their templates and comments from their code."""

import re
from collections.abc import Iterator

_TOKEN = re.compile(
    r"""
    (?P<comment> //[^\n]* | /\*.*?\*/)
  | (?P<text> "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*')
  | (?P<pattern> (?:(?<=[(,=:\[!&|?{};\n>])|(?<=return)|^)[ ]*
      /(?![*/])(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/)
  | (?P<sign> [`{}])
    """,
    re.DOTALL | re.VERBOSE,
)
_TEMPLATE = re.compile(r"(?:[^`\\$]|\\.|\$(?!\{))*(`|\$\{)", re.DOTALL)


def _read(text: str) -> Iterator[tuple[str, str]]:
    """Yield the comments of a script, and the parts of its templates between their expressions."""
    at, is_template = 0, False
    # What each bracket that is open began: "`" an expression of a template, "{" a block.
    open_brackets: list[str] = []
    while found := (_TEMPLATE.match(text, at) if is_template else _TOKEN.search(text, at)):
        at = found.end()
        if is_template:
            yield "template", found[0]
            is_template = False
            if found[1] == "${":
                open_brackets.append("`")
        elif found["comment"]:
            yield "comment", found[0]
        elif found["sign"] == "{":
            open_brackets.append("{")
        elif found["sign"]:
            is_template = found["sign"] == "`" or open_brackets.pop() == "`"


def find_templates(text: str) -> list[str]:
    """Return the texts in a script's templates, each up to its next expression or its end."""
    return [part for kind, part in _read(text) if kind == "template"]


def find_comments(text: str) -> list[str]:
    """Return a script's comments."""
    return [part for kind, part in _read(text) if kind == "comment"]
