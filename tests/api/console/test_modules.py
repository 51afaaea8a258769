"""The console's modules, read without a browser: what they import, and how they are served."""

import re
from collections.abc import Iterator, Mapping

import pytest

from api.console import FOLDER
from tests.api.console.scripts import find_comments, find_templates

STATIC = re.compile(r'^import (?:(\w+|\{[^}]*\}|\* as \w+) from )?"(\./[^"]+)";', re.MULTILINE)
DYNAMIC = re.compile(r'(?:(\{[^{}]*\}) = await )?\bimport\("(\./[^"]+)"\)')
DECLARED = re.compile(r"^export (?:async )?(?:function\*?|class|const|let) (\w+)", re.MULTILINE)
LISTED = re.compile(r"\bexport ?\{([^}]*)\}")


def list_imports(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the modules that a module imports, each with the names that it takes."""
    for names, module in [*STATIC.findall(text), *DYNAMIC.findall(text)]:
        if names.startswith("{"):
            found = [re.split(r" as |:", one)[0].strip() for one in names[1:-1].split(",")]
            yield module, [name for name in found if name]
        else:
            yield module, ["default"] if names and not names.startswith("*") else []


def list_exports(text: str) -> set[str]:
    """Return the names that a module exports."""
    listed = [one for names in LISTED.findall(text) for one in names.split(",")]
    names = {one.rpartition(" as ")[2].strip() for one in listed}
    return names | {*DECLARED.findall(text)} | ({"default"} if "export default " in text else set())


def find_missing(modules: Mapping[str, str]) -> list[str]:
    """Return the imports that lead nowhere, as sentences."""
    exports = {name: list_exports(text) for name, text in modules.items()}
    return [
        f"{name} imports {wanted} of {module}"
        for name, text in modules.items()
        if not name.startswith("./vendor/")
        for module, names in list_imports(text)
        for wanted in names or ["nothing"]
        if wanted not in exports.get(module, ()) and not (names == [] and module in modules)
    ]


def read_modules() -> dict[str, str]:
    """Return all modules by the names that others import them by."""
    return {
        f"./{path.relative_to(FOLDER).as_posix()}": path.read_text("utf-8")
        for path in FOLDER.rglob("*.js")
    }


def test_every_import_has_its_export():
    """Each name that a module takes of another is there, and so is each module."""
    modules = read_modules()
    found = [module for text in modules.values() for module, _ in list_imports(text)]
    written = sum(
        len(re.findall(r"^import\b|\bimport\(", text, re.MULTILINE))
        for name, text in modules.items()
        if name.startswith("./") and not name.startswith(("./vendor/", "./notebook-loader"))
    )
    assert len(found) >= written > 100
    assert find_missing(modules) == []


FAULTS = {
    'import { a, b } from "./y.js";\n': ["./x.js imports b of ./y.js"],
    'import {\n  a,\n  c as d,\n} from "./y.js";\n': ["./x.js imports c of ./y.js"],
    'import y from "./y.js";\n': ["./x.js imports default of ./y.js"],
    'import "./z.js";\n': ["./x.js imports nothing of ./z.js"],
    'const { a, e: f } = await import("./y.js");': ["./x.js imports e of ./y.js"],
    'if (x) import("./z.js");': ["./x.js imports nothing of ./z.js"],
    'import { a } from "./y.js";\nimport "./y.js";\n': [],
}


@pytest.mark.parametrize(("text", "missing"), FAULTS.items())
def test_import_without_an_export_is_found(text, missing):
    """The test above fails on a module like these."""
    modules = {"./x.js": text, "./y.js": "export const a = 1;\nconst b = 2;\nexport { b as z };\n"}
    assert find_missing(modules) == missing


def find_eaten(text: str) -> list[str]:
    """Return the lines that are served without what is more than a comment.

    What is served has no lines that begin with a comment (``api.console``). So code may not follow
    one on its line, and no line of a template may look like one.
    """
    shared = re.findall(r"^[ \t]*/\*\*(?:(?!\*/).)*\*/[^\n]+", text, re.DOTALL | re.MULTILINE)
    within = [
        line
        for template in find_templates(text)
        for line in template.split("\n")[1:]
        if re.match(r"[ \t]*(//|/\*\*)", line)
    ]
    return shared + within


def test_no_line_of_the_modules_is_taken_for_a_comment():
    """All that is code or text is served, though comments are not."""
    for name, text in read_modules().items():
        if not name.startswith("./vendor/"):
            assert find_eaten(text) == [], name
            assert len(find_comments(text)) > 0, name


EATEN = {
    "/** x */ code();\n": 1,
    "  /** x\n   * y */ code();\n": 1,
    "const a = `\n// text\n`;\n": 1,
    "const a = html`<p>${b ? html`\n  /** text */\n` : c}</p>`;\n": 1,
    "const a = html`<p>${b}\n  // text</p>`;\n": 1,
    "/** x */\ncode();\n": 0,
    "// a ` in a comment\n// x\n": 0,
    "const a = html`<p>${\n  // a comment\n  b}</p>`;\n// x\n": 0,
    'const a = "`";\n// x\n': 0,
    "const a = /[`/]/g;\n// x\n": 0,
    "const a = b / c / `d`;\n// x\n": 0,
    "code(); /** x */\n": 0,
}


@pytest.mark.parametrize(("text", "lines"), EATEN.items())
def test_line_that_is_taken_for_a_comment_is_found(text, lines):
    """The test above fails on a module like these."""
    assert len(find_eaten(text)) == lines
