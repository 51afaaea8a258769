"""Programs of one's own by the command line, as installed, on a server of the tests' own."""

import hashlib
import json
import os
import pty
import subprocess

import pytest

from tests.api.cli.test_cli import COMMAND, Served, call, make_environment, read_terminal

MODULE = '''"""Doubles a number.

More of it."""


def main(backend, user_messenger, x: int, note="none"):
    user_messenger.publish({"note": note})
    return 2 * x
'''


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The server of all tests here."""
    with Served("--workers", 2, "--data", tmp_path_factory.mktemp("data")) as server:
        yield server
        code, errors = server.stop()
    assert (code, "Traceback" in errors) == (0, False), errors


@pytest.fixture
def run(served, tmp_path):
    """Call a client command on that server, in an empty folder."""

    def run(*arguments):
        return subprocess.run(
            [COMMAND, *map(str, arguments)],
            capture_output=True,
            encoding="utf-8",
            timeout=40,
            env=make_environment(RUNTIME_URL=served.url, XDG_STATE_HOME=str(tmp_path / "state")),
            cwd=tmp_path,
            check=False,
        )

    return run


@pytest.fixture
def answer(served, tmp_path):
    """Run a file on a terminal, and answer its question; what was shown, and the exit code."""

    def answer(file, typed):
        reader, writer = pty.openpty()
        with subprocess.Popen(
            [COMMAND, "run", file, "-p", "x=1"],
            stdin=writer,
            stdout=writer,
            stderr=writer,
            env=make_environment(RUNTIME_URL=served.url, XDG_STATE_HOME=str(tmp_path / "state")),
        ) as ended:
            os.close(writer)
            os.write(reader, typed.encode())
            shown = read_terminal(reader)
        return shown, ended.returncode

    return answer


def write(path, text=MODULE):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def get(run, program_id):
    [found] = [
        one for one in json.loads(run("programs", "--json").stdout) if one["id"] == program_id
    ]
    return found


def test_run_of_a_file_uploads_and_runs_it(run, tmp_path):
    """The command uploads, says so, and shows the job; an unchanged file only runs."""
    write(tmp_path / "doubles.py")
    first = run("run", "./doubles.py", "-p", "x=3")
    again = run("run", "doubles.py", "-p", "x=4", "--json")

    assert first.returncode == 0, first.stderr
    assert first.stderr.startswith("Uploaded doubles, version 1 (0.2 KiB)\n")
    assert "Result\n6\n" in first.stdout
    assert again.stderr.startswith("Unchanged: doubles, version 1")
    assert json.loads(again.stdout)["result"] == 8


def test_run_of_a_changed_file_updates_it(run, tmp_path):
    """The next version runs, and its metadata are what the file now says."""
    file = write(tmp_path / "changes.py")
    assert run("run", file, "-p", "x=3").returncode == 0
    file.write_text(MODULE.replace("2 *", "3 *").replace("Doubles", "Triples"))
    done = run("run", file, "-p", "x=3")

    assert done.stderr.startswith("Updated changes, version 2")
    assert "Result\n9\n" in done.stdout
    assert get(run, "changes")["description"] == "Triples a number."


def test_parameters_are_checked_by_the_signature(run, tmp_path):
    """Parameters that main does not take are refused before the job is queued; exit code 2."""
    file = write(tmp_path / "checked.py")
    for pairs, says in (
        (("-p", "x=three"), 'params.x: "three" is not of type "integer"'),
        (("-p", "y=1"), "params: "),
        ((), '"x" is a required property'),
    ):
        done = run("run", file, *pairs)
        assert done.returncode == 2
        assert says in done.stderr
        assert done.stderr.count("params.x") <= 1


def test_failing_program_shows_its_own_line(run, tmp_path):
    """The traceback has file, line and text of the user's source; exit code 1."""
    file = write(tmp_path / "fails.py", "def main(backend, messenger):\n    return 1 / 0\n")
    done = run("run", file)

    assert done.returncode == 1
    assert 'fails.py", line 2, in main' in done.stdout
    assert "return 1 / 0" in done.stdout
    assert "ZeroDivisionError" in done.stderr


def test_syntax_error_is_told_before_anything_is_sent(tmp_path):
    """With file, line and text, also where no server is; exit code 2."""
    file = write(tmp_path / "broken.py", "x = 1\ndef main(backend, messenger:\n    pass\n")
    for command in ("run", "upload"):
        done = call(command, file, RUNTIME_URL="http://127.0.0.1:9")
        assert done.returncode == 2
        assert "broken.py:2: " in done.stderr
        assert "def main(backend, messenger:" in done.stderr


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("no_main.py", "x = 1\n", "no function main(backend"),
        ("no_utf8.py", None, "UTF-8"),
        ("too_large.py", MODULE + "#" * 300_000, "262144"),
        ("gone.py", "", "no such file"),
    ],
)
def test_file_that_is_no_program_is_told(tmp_path, name, text, says):
    """The reason, and nothing sent; exit code 2."""
    file = tmp_path / name
    if text is None:
        file.write_bytes(b"\xff\xfe")
    elif text:
        file.write_text(text)
    done = call("upload", file, RUNTIME_URL="http://127.0.0.1:9")

    assert done.returncode == 2
    assert says in done.stderr


def test_upload_says_what_the_source_says(run, tmp_path):
    """Docstring and signature are its metadata; options go over them."""
    file = write(tmp_path / "described.py")
    done = run("upload", file, "--public", "--max-execution-time", 7)

    assert (done.returncode, done.stdout) == (0, "Uploaded described, version 1\n"), done.stderr
    program = get(run, "described")
    assert (program["description"], program["max_execution_time"]) == ("Doubles a number.", 7)
    assert program["isPublic"] is True
    assert program["spec"]["parameters"] == {
        "type": "object",
        "properties": {"x": {"type": "integer"}, "note": {"default": "none"}},
        "required": ["x"],
        "additionalProperties": False,
    }


def test_json_file_beside_it_says_more(run, tmp_path):
    """The file's metadata go over the source's, in the form of 2021 as well."""
    file = write(tmp_path / "beside.py")
    write(
        tmp_path / "beside.json",
        json.dumps(
            {
                "name": "Called So",
                "description": "From JSON.",
                "max_execution_time": 11,
                "version": "9",
                "parameters": [{"name": "x", "type": "integer", "required": True}],
            }
        ),
    )
    assert run("upload", file).stdout == "Uploaded called-so, version 1\n"

    program = get(run, "called-so")
    assert (program["description"], program["max_execution_time"]) == ("From JSON.", 11)
    assert program["spec"]["parameters"]["properties"] == {"x": {"type": "integer"}}


def test_json_file_that_is_wrong_is_told(tmp_path):
    """With its name and the field."""
    file = write(tmp_path / "wrong.py")
    for text, says in (("{", "not valid JSON"), ('{"cost": "x"}', "cost"), ("[]", "wrong.json")):
        write(tmp_path / "wrong.json", text)
        done = call("upload", file, RUNTIME_URL="http://127.0.0.1:9")
        assert done.returncode == 2
        assert "wrong.json" in done.stderr and says in done.stderr


def test_upload_of_what_is_there_needs_replace(run, tmp_path):
    """The same again is fine; another source wants --replace."""
    file = write(tmp_path / "there.py")
    assert run("upload", file).returncode == 0
    assert run("upload", file).stdout == "Unchanged: there, version 1\n"
    file.write_text(MODULE + "# more\n")
    refused = run("upload", file)

    assert refused.returncode == 2
    assert "--replace" in refused.stderr
    assert run("upload", file, "--replace").stdout == "Updated there, version 2\n"
    assert json.loads(run("upload", file, "--update", "--json").stdout)["version"] == "2"


def test_programs_of_the_server_can_not_be_taken(run, tmp_path):
    """A file that is called as the library's program is not uploaded over it."""
    done = run("upload", write(tmp_path / "hello_quantum.py"))

    assert done.returncode == 2
    assert "hello-quantum" in done.stderr and "--name" in done.stderr


def test_folder_is_uploaded_as_an_archive(run, served, tmp_path):
    """With what main imports, without what is no part of it; the same files are the same bytes."""
    folder = tmp_path / "app"
    write(folder / "main.py", "from parts.inner import A\ndef main(b, m):\n    return A\n")
    write(folder / "parts" / "inner.py", "A = 5\n")
    write(folder / "__pycache__" / "x.pyc", "no")
    write(folder / ".git" / "config", "no")
    done = run("run", "app/")

    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("Uploaded app, version 1 (2 files, ")
    assert "Result\n5\n" in done.stdout
    (folder / "main.py").touch()
    assert run("upload", folder).stdout == "Unchanged: app, version 1\n"
    archive = subprocess.run(
        [COMMAND, "download-program", "app"],
        capture_output=True,
        env=make_environment(RUNTIME_URL=served.url),
        check=True,
    ).stdout
    (tmp_path / "app.tar").write_bytes(archive)
    listed = subprocess.run(
        ["tar", "tzf", tmp_path / "app.tar"], capture_output=True, text=True, check=True
    )
    assert listed.stdout.split() == ["main.py", "parts/inner.py"]


def test_package_keeps_its_name(run, tmp_path):
    """A folder with main in its __init__.py can import itself."""
    write(
        tmp_path / "pack" / "__init__.py", "from pack.a import A\ndef main(b, m):\n    return A\n"
    )
    write(tmp_path / "pack" / "a.py", "A = 6\n")

    assert "Result\n6\n" in run("run", "./pack").stdout


def test_folder_without_main_is_told(tmp_path):
    """And one with a syntax error anywhere in it."""
    write(tmp_path / "none" / "a.py", "x = 1\n")
    write(tmp_path / "none" / "b.py", "x = 1\n")
    write(tmp_path / "bad" / "main.py", "def main(b, m): pass\n")
    write(tmp_path / "bad" / "inner" / "a.py", "x = = 1\n")
    for name, says in (("none", "main.py or __init__.py"), ("bad", "bad/inner/a.py:1: ")):
        done = call("upload", tmp_path / name, RUNTIME_URL="http://127.0.0.1:9")
        assert done.returncode == 2
        assert says in done.stderr


def test_programs_are_listed_with_version_and_visibility(run, tmp_path):
    """The list has each program's version and who may see it."""
    run("upload", write(tmp_path / "listed.py"))
    done = run("programs")

    header, *rows = done.stdout.splitlines()
    assert header.split()[:2] == ["PROGRAM", "VERSION"]
    [row] = [row.split() for row in rows if row.startswith("listed ")]
    assert row[:4] == ["listed", "1", "private", "x"]


def test_deleted_program_is_gone(run, tmp_path):
    """And can't be deleted again; its source comes back before that."""
    run("upload", write(tmp_path / "doomed.py"))

    assert run("download-program", "doomed").stdout == MODULE
    assert run("delete-program", "doomed").returncode == 0
    for command in ("delete-program", "download-program"):
        done = run(command, "doomed")
        assert done.returncode == 2
        assert "not found" in done.stderr


def test_id_without_a_slash_is_no_file(run, tmp_path):
    """A file that is called as a program does not hide it."""
    write(tmp_path / "sample-program")

    assert run("run", "sample-program", "-p", "iterations=1").returncode == 0


def digest(text):
    """Return a source's digest as it is shown."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def test_run_gives_a_file_a_name_of_its_own(run, tmp_path):
    """A file of a library program's name runs under another one, from the first try on."""
    file = write(tmp_path / "hello_world.py")
    refused = run("run", file, "-p", "x=3")
    done = run("run", file, "--name", "My hello", "-p", "x=3")

    assert refused.returncode == 2
    assert "give --name" in refused.stderr
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("Uploaded my-hello, version 1 (")
    assert "Result\n6\n" in done.stdout
    assert (
        "Unchanged: my-hello, version 1"
        in run("run", file, "--name", "My hello", "-p", "x=1").stderr
    )


def test_name_is_for_a_file(run):
    """With the id of a program that is there, --name is refused in a sentence."""
    done = run("run", "sample-program", "--name", "mine")

    assert done.returncode == 2
    assert "./sample-program.py" in done.stderr


def test_run_of_an_edited_file_asks_nothing(run, tmp_path):
    """The same path again, with another source, is the same program."""
    file = write(tmp_path / "edited.py")
    run("run", file, "-p", "x=1")
    write(file, MODULE + "# more\n")
    done = run("run", file, "-p", "x=1")

    assert done.returncode == 0
    assert done.stderr.startswith("Updated edited, version 2")


def test_run_tells_which_program_it_replaces(run, tmp_path):
    """Another file of that name: the other program's first line, both digests, and the path."""
    run("run", write(tmp_path / "one" / "twin.py"), "-p", "x=1")
    other = MODULE.replace("Doubles", "Triples").replace("2 * x", "3 * x")
    file = write(tmp_path / "two" / "twin.py", other)
    done = run("run", file, "-p", "x=1")

    first = done.stderr.splitlines()[0]
    assert 'twin on the server is another program: "Doubles a number."' in first
    assert digest(MODULE) in first and digest(other) in first and str(file) in first
    assert "Result\n3\n" in done.stdout
    # The other way round it is as well, and what another machine uploaded is another program too.
    assert '"Triples a number."' in run("run", tmp_path / "one" / "twin.py", "-p", "x=1").stderr
    (tmp_path / "state" / "qiskit-runtime" / "uploads.json").write_text("[{")
    assert '"Doubles a number."' in run("run", file, "-p", "x=1").stderr


def test_terminal_is_asked_before_another_program_is_replaced(run, answer, tmp_path):
    """No is the default, ends with 2 and changes nothing; yes replaces."""
    run("run", write(tmp_path / "one" / "asked.py"), "-p", "x=1")
    file = write(tmp_path / "two" / "asked.py", MODULE.replace("2 * x", "5 * x"))

    for typed in ("\n", "n\n"):
        shown, code = answer(file, typed)
        assert "Replace it? [y/N]" in shown
        assert "--name" in shown
        assert code == 2
        assert get(run, "asked")["version"] == "1"
    shown, code = answer(file, "y\n")
    assert code == 0, shown
    assert get(run, "asked")["version"] == "2"


def test_type_names_of_2021_are_translated_with_a_warning(run, tmp_path):
    """Type names in the JSON file become JSON Schema's, and parameters are checked by those."""
    file = write(tmp_path / "old.py", "def main(b, m, n, flag=False):\n    return n\n")
    metadata = {
        "name": "old",
        "description": "From 2021.",
        "spec": {"parameters": {"properties": {"n": {"type": "int"}, "flag": {"type": "Bool"}}}},
    }
    (tmp_path / "old.json").write_text(json.dumps(metadata))
    done = run("run", file, "-p", "n=3", "-p", "flag=true")

    assert done.returncode == 0, done.stderr
    assert (
        "Warning: old.json: spec.parameters.properties.n.type: 'int' is read as 'integer'"
        in done.stderr
    )
    assert "Unchanged: old" in run("upload", file).stdout
    assert "params.n" in run("run", "old", "-p", "n=many").stderr
