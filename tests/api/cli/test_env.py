"""``qiskit-runtime env``: the lines are those that the official client needs, and no secret."""

import shlex

import pytest
from click.testing import CliRunner

from api.cli.main import cli
from qiskit_runtime.contract.resources.instance import DEFAULT_INSTANCE, Instance

TOKEN = "open-sesame"


def print_env(*arguments, tmp_path, **variables):
    """Return the variables that a shell would have, and the text."""
    none = {"RUNTIME_TOKEN": None, "RUNTIME_URL": None, "RUNTIME_DATA": str(tmp_path)}
    done = CliRunner().invoke(cli, ["env", *arguments], env=none | variables)
    assert done.exit_code == 0, done.output
    lines = [shlex.split(line) for line in done.stdout.splitlines()]
    if "--discovery" in arguments:
        assert lines.pop(0) == ["unset", "QISKIT_FUNCTIONS_EXPERIMENTAL"]
    assert all(line[0] == "export" and len(line) == 2 for line in lines)
    return dict(line[1].split("=", 1) for line in lines), done.stdout


def test_lines_for_a_server_without_a_token(tmp_path):
    """The local server, the default instance, and a token that stands for none."""
    found, _ = print_env(tmp_path=tmp_path)
    assert found == {
        "QISKIT_IBM_URL": "http://127.0.0.1:8000/experimental",
        "IAM_URL": "http://127.0.0.1:8000",
        "QISKIT_FUNCTIONS_EXPERIMENTAL": "1",
        "QISKIT_IBM_INSTANCE": DEFAULT_INSTANCE.crn,
        "QISKIT_IBM_TOKEN": "none",
    }


def test_lines_for_discovery(tmp_path):
    """With --discovery search and catalog are named, and nothing skips them."""
    found, _ = print_env(
        "--discovery", "--instance=auto", "--url=https://q.example/", tmp_path=tmp_path
    )
    assert found == {
        "QISKIT_IBM_URL": "https://q.example/experimental",
        "IAM_URL": "https://q.example",
        "GLOBAL_SEARCH_URL": "https://q.example",
        "GLOBAL_CATALOG_URL": "https://q.example/globalcatalog/v1",
        "QISKIT_IBM_INSTANCE": "auto",
        "QISKIT_IBM_TOKEN": "none",
    }


def test_an_instance_is_named_by_its_crn(tmp_path):
    """A name becomes its CRN, and a CRN stays as it is."""
    crn = Instance("a", "b", "c").crn
    for text in ("a/b/c", crn):
        assert print_env(f"--instance={text}", tmp_path=tmp_path)[0]["QISKIT_IBM_INSTANCE"] == crn


@pytest.mark.parametrize("name", ["a/b", "auto", ""])
def test_a_name_that_is_no_instance_is_refused(name):
    """The error says what a name is made of."""
    done = CliRunner().invoke(cli, ["env", f"--instance={name}"])
    assert done.exit_code == 2
    assert "--instance" in done.output and "hub/group/project" in done.output


def test_a_token_is_shown_only_if_it_is_asked_for(tmp_path):
    """Without --show-token there is the variable that holds it, or a placeholder."""
    secret = {"RUNTIME_TOKEN": TOKEN}
    found, text = print_env(tmp_path=tmp_path, **secret)
    assert found["QISKIT_IBM_TOKEN"] == "$RUNTIME_TOKEN" and TOKEN not in text
    found, text = print_env(f"--token={TOKEN}", tmp_path=tmp_path)
    assert found["QISKIT_IBM_TOKEN"] == "YOUR_TOKEN" and TOKEN not in text
    found, _ = print_env("--show-token", tmp_path=tmp_path, **secret)
    assert found["QISKIT_IBM_TOKEN"] == TOKEN


def test_the_token_that_a_server_made_is_found_for_this_machine_alone(tmp_path):
    """It's in the data folder; another machine's server has another."""
    (tmp_path / "token").write_text("made-for-this-run\n")
    found, _ = print_env("--show-token", tmp_path=tmp_path)
    assert found["QISKIT_IBM_TOKEN"] == "made-for-this-run"
    found, _ = print_env("--show-token", "--url=https://q.example", tmp_path=tmp_path)
    assert found["QISKIT_IBM_TOKEN"] == "none"
