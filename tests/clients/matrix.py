"""The matrix of clients and servers: a script of checks runs once in each place of it.

A check is a function with the decorator ``check``, ``newest`` or ``since`` in a script's files;
each is a test of its own, and finds its outcome in the one run. Clients of other versions than the
newest run what may differ between versions: that is what has ``check``.
"""

import ast
import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from qiskit_runtime.contract.resources.instance import DEFAULT_INSTANCE
from tests.clients.environments import NEWEST, require_client

SCRIPTS = Path(__file__).with_name("scripts")

RUN_SECONDS = 1200
"""The time limit of a script: all checks, on a machine that is busy with others."""


@dataclass(frozen=True)
class Target:
    """A server that clients are run against; ``authority`` is the file of a made CA."""

    name: str
    url: str
    token: str
    programs: dict[str, str]
    """The harness' own programs there: name in the scripts, and id."""
    authority: str = ""

    def variables(self) -> dict[str, str]:
        """Return what the scripts read, in an environment without any of the clients' variables."""
        foreign = ("QISKIT_", "IAM_", "GLOBAL_", "RUNTIME_", "COVERAGE_", "COV_", "PYTHON")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        kept |= {f"CLIENTS_{name}": program for name, program in self.programs.items()}
        if self.authority:
            kept |= {"SSL_CERT_FILE": self.authority, "REQUESTS_CA_BUNDLE": self.authority}
        return kept | {
            "CLIENTS_URL": self.url,
            "CLIENTS_TOKEN": self.token,
            "CLIENTS_INSTANCE": DEFAULT_INSTANCE.crn,
            "CLIENTS_INSTANCE_NAME": DEFAULT_INSTANCE.name,
            "PYTHONPATH": str(SCRIPTS),
            "NO_PROXY": "127.0.0.1,localhost",
        }


@dataclass(frozen=True)
class Run:
    """A script's run: the outcomes of its checks, and what it wrote besides."""

    outcomes: dict[str, dict[str, object]]
    errors: str


@dataclass
class Matrix:
    """The runs so far."""

    folder: Path
    _runs: dict[tuple[str, str, str], Run] = field(default_factory=dict)

    def assert_ok(self, target: Target, client: str, script: str, check: str) -> None:
        """See that a check went well in this place; the first that is asked for runs the script."""
        place = (target.name, client, script)
        if place not in self._runs:
            self._runs[place] = self._run(target, client, script)
        run = self._runs[place]
        outcome = run.outcomes.get(check)
        assert outcome, f"it was not reached:\n{run.errors[-3000:]}"
        if not outcome["ok"]:
            pytest.fail(str(outcome["detail"]), pytrace=False)

    def _run(self, target: Target, client: str, script: str) -> Run:
        home = self.folder / f"{target.name}-{client}"
        home.mkdir(exist_ok=True)
        # No account of the user who runs the tests is read.
        only = " ".join(list_checks(script, client))
        environment = target.variables() | {"HOME": str(home), "CLIENTS_ONLY": only}
        done = _run_script(require_client(client), SCRIPTS / script, environment)
        outcomes = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        return Run({str(outcome["name"]): outcome for outcome in outcomes}, done.stderr)


def _run_script(
    python: Path, script: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a script; one that is cut off has the outcomes until then."""
    command = [python, script]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            output, errors = process.communicate(timeout=RUN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            output, errors = process.communicate()
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


def list_checks(script: str, version: str = "") -> list[str]:
    """Return the checks of a script for a client of this version, in the order of its files."""
    path = SCRIPTS / script
    files = sorted(path.glob("*.py")) if path.is_dir() else [path]
    return [
        node.name
        for file in files
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and _is_check(node, version)
    ]


def make_cases(script: str, *clients: str) -> list[tuple[str, str]]:
    """Return pairs of a client and a check, client by client."""
    return [(client, check) for client in clients for check in list_checks(script, client)]


def _is_check(node: ast.FunctionDef, version: str) -> bool:
    for decorator in node.decorator_list:
        match decorator:
            case ast.Name("check"):
                return True
            case ast.Name("newest"):
                return version == NEWEST
            case ast.Call(ast.Name("since"), numbers):
                return _parse(version) >= tuple(ast.literal_eval(number) for number in numbers)
    return False


def _parse(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
