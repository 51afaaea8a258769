"""The house's rules that no other tool holds. The direction of dependency is in pyproject.toml."""

import ast
import re
import statistics
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("api", "operator", "runner", "qiskit_runtime")
SOURCES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
LONGEST_MODULE = 300
LONGEST_FUNCTION = 60
INVERTED = re.compile(r"(What|How|Whether|Where|Who|Which|Of)\b")
"""The first words of docstrings that name neither a thing nor an act."""


def functions():
    """Yield every function of the source, with its number of lines."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{path.relative_to(ROOT)}:{node.name}", node.end_lineno - node.lineno + 1


def find_inverted(paths):
    """Return the places of docstrings that begin with one of these words."""
    return [
        f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"
        for path in paths
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and INVERTED.match(ast.get_docstring(node) or "")
    ]


def test_operator_is_no_package():
    """A package named operator would shadow the standard library's module everywhere."""
    assert not (ROOT / "operator" / "__init__.py").exists()


def test_modules_fit_on_a_few_screens():
    """No module is so long that nobody reads it."""
    long = {
        str(path): lines
        for path in SOURCES
        if (lines := path.read_text(encoding="utf-8").count("\n")) > LONGEST_MODULE
    }
    assert long == {}


def test_functions_are_short():
    """Half of all functions have at most 10 lines, nine of ten at most 35, and none is long."""
    sizes = dict(functions())
    assert statistics.median(sizes.values()) <= 10
    assert statistics.quantiles(sizes.values(), n=10)[-1] <= 35
    assert {name: size for name, size in sizes.items() if size > LONGEST_FUNCTION} == {}


def test_every_module_says_what_it_is():
    """A newcomer can read each module's first line."""
    silent = [
        str(path) for path in SOURCES if not ast.get_docstring(ast.parse(path.read_text("utf-8")))
    ]
    assert silent == []


@pytest.mark.parametrize(
    "paths", [SOURCES, sorted((ROOT / "tests").rglob("*.py"))], ids=["source", "tests"]
)
def test_docstrings_begin_with_the_thing_or_the_act(paths):
    """A docstring begins as Qiskit's and Kubernetes' do: "Return ...", "The cache of ..."."""
    assert find_inverted(paths) == []


def test_no_path_or_host_of_one_machine_is_in_the_project():
    """The committed files work anywhere: the lock files name packages, never a registry."""
    listed = subprocess.run(
        ["git", "grep", "-lE", f"--index-url|--extra-index|{ROOT}/"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert listed.stdout == ""


def test_every_test_says_its_promise():
    """A test's docstring is the sentence that it holds the code to."""
    silent = [
        f"{path.relative_to(ROOT)}:{node.name}"
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]
    assert silent == []
