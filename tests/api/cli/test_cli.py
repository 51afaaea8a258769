"""The command ``qiskit-runtime``, as installed, against servers that it starts itself."""

import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import click
import pytest
from pydantic import TypeAdapter

from api.cli.run_commands import make_params, parse_value
from api.settings import Size

COMMAND = str(Path(sys.executable).with_name("qiskit-runtime"))
PROGRAMS = Path(__file__).parents[1] / "programs"


def make_environment(**variables):
    """This process's environment without the settings of a server that a user may have."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("RUNTIME_") and name not in ("NUM_WORKERS", "NO_COLOR")
    }
    return {**inherited, "COLUMNS": "80", **variables}


def call(*arguments, stdin="", **variables):
    """Run the command to its end, without a terminal."""
    return subprocess.run(
        [COMMAND, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        timeout=40,
        env=make_environment(**variables),
        check=False,
    )


def start(*arguments, **variables):
    """Start the command; its output is to be read."""
    return subprocess.Popen(
        [COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env=make_environment(**variables),
    )


class Served:
    """A running server, and the lines that it printed at its start."""

    def __init__(self, *options, **variables):
        self.process = start("serve", "--port", 0, *options, **variables)
        self.printed = ""
        for line in self.process.stdout:
            self.printed += line
            if line.startswith("Ctrl-C"):
                break
        found = re.search(r"http://[\d.]+:\d+", self.printed)
        self.url = found[0] if found else ""

    def stop(self, number=signal.SIGTERM):
        """Send a signal; returns the exit code and what it wrote on stderr."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=20)
        return self.process.returncode, errors

    def __enter__(self):
        assert self.url, self.process.communicate(timeout=20)[1]
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()
        self.process.stdout.close()
        self.process.stderr.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The server of the tests that do not stop it."""
    data = tmp_path_factory.mktemp("data")
    # Relative, as people type it: a job's process works elsewhere.
    programs = os.path.relpath(PROGRAMS)
    with Served("--workers", 2, "--programs", programs, "--data", data) as server:
        yield server
        code, errors = server.stop()
    assert (code, "Traceback" in errors, "asyncio" in errors) == (0, False, False), errors


@pytest.fixture
def run(served):
    """Call a client command on that server."""
    return lambda *arguments, **more: call(*arguments, RUNTIME_URL=served.url, **more)


def steps(*of):
    """Parameters of the program 'steps'."""
    return "-p", "steps=" + json.dumps(of)


def wait_until(condition, seconds=20):
    """Wait until it holds, and fail where it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)


def descendants(pid):
    """The processes below a process."""
    found = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, children.read_text().split()):
                found += [child, *descendants(child)]
    return found


def alive(pids):
    """Return those of the processes that run; zombies do not."""
    running = []
    for pid in pids:
        with suppress(OSError):
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            running += [pid] * (state != "Z")
    return running


# serve


def test_serve_says_where_it_is(served):
    """The first lines name the URL with its true port, the docs, workers, data and token."""
    assert not served.url.endswith(":0")
    assert f"{served.url}/docs" in served.printed
    assert re.search(r"workers +2", served.printed)
    assert re.search(r"data +/", served.printed)
    assert "not needed" in served.printed


@pytest.mark.parametrize(
    ("options", "variables", "names"),
    [
        (["--host", "0.0.0.0"], {}, "--token"),
        ([], {"NUM_WORKERS": "zero"}, "NUM_WORKERS"),
        ([], {"RUNTIME_WORKERS": "0"}, "RUNTIME_WORKERS"),
        (["--workers", "zero"], {}, "--workers"),
        (["--workers", "0"], {"NUM_WORKERS": "2"}, "--workers"),
        (["--programs", "/no/such/folder"], {}, "--programs: there is no folder /no/such/folder"),
        ([], {"RUNTIME_PROGRAMS": "/no/such/folder"}, "RUNTIME_PROGRAMS"),
        (["--job-memory", "lots"], {}, "--job-memory"),
        ([], {"RUNTIME_GRACE_SECONDS": "-1"}, "RUNTIME_GRACE_SECONDS"),
        (["--keep-days", "-1"], {}, "--keep-days"),
        (["--keep-bytes", "lots"], {}, "--keep-bytes: 'lots' is no size"),
        ([], {"RUNTIME_MAX_QUEUED": "0"}, "RUNTIME_MAX_QUEUED"),
        (["--program-env", "RUNTIME_TOKEN"], {}, "--program-env"),
        (["--port", "eighty"], {}, "--port"),
    ],
)
def test_serve_with_a_wrong_value_is_refused_in_a_sentence(options, variables, names, tmp_path):
    """The sentence names the option or variable; the exit code is 2; there is no traceback."""
    ended = call("serve", "--port", 0, "--data", tmp_path, *options, **variables)
    assert ended.returncode == 2
    assert names in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


def test_serve_on_a_port_in_use_is_refused(tmp_path):
    """A port that another program has is named, with exit code 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = call("serve", "--port", port, "--data", tmp_path)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert f"--port: {port} is in use" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_serve_with_a_data_folder_in_use_is_refused(served):
    """A data folder that another server has is named, with exit code 1."""
    data = re.search(r"data +(\S+)", served.printed)[1]
    ended = call("serve", "--port", 0, "--data", data)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "--data: another server uses" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_empty_options_are_not_given(tmp_path):
    """WORKERS= of make is an empty text: the environment or the default counts then."""
    empty = ["--workers", "", "--programs", "", "--job-memory", "", "--host", "", "--token", ""]
    empty += ["--keep-days", "", "--keep-bytes", "", "--max-queued", "", "--program-env", ""]
    variables = {"NUM_WORKERS": "3", "RUNTIME_TOKEN": "t", "RUNTIME_GRACE_SECONDS": ""}
    with Served(*empty, "--data", tmp_path, **variables) as server:
        assert re.search(r"workers +3", server.printed)
        assert "not needed" in server.printed


def test_anonymous_service_to_others_is_warned_of(tmp_path):
    """--allow-anonymous serves every address without a token, and says what that means."""
    options = ("--host", "0.0.0.0", "--allow-anonymous", "--workers", 1, "--data", tmp_path)
    with Served(*options) as server:
        assert call("backends", "--url", server.url).returncode == 0
        code, errors = server.stop(signal.SIGINT)
    assert code == 0
    assert "WARNING" in errors


def test_a_token_is_needed_where_one_is_set(tmp_path):
    """Without the token a run is refused with the way to give it; with it the stream works too."""
    with Served("--token", "open-sesame", "--workers", 1, "--data", tmp_path) as server:
        assert "needed: " in server.printed
        refused = call("run", "hello-quantum", "--url", server.url)
        arguments = ("run", "hello-quantum", "-p", "greeting=Hi", "--url", server.url)
        admitted = call(*arguments, RUNTIME_TOKEN="open-sesame")
        shown = Path(f"/proc/{server.process.pid}/cmdline").read_text()
    assert "serve" in shown and "open-sesame" not in shown
    assert refused.returncode == 2
    assert "RUNTIME_TOKEN" in refused.stderr
    assert admitted.returncode == 0, admitted.stderr
    assert '"Hi"' in admitted.stdout


def test_a_token_file_is_read(tmp_path):
    """The token in a file counts, by option or variable, without the end of its line."""
    file = tmp_path / "token"
    file.write_text("open-sesame\n")
    for options, variables in (
        (("--token-file", file), {"RUNTIME_TOKEN_FILE": "/no/such"}),
        ((), {"RUNTIME_TOKEN_FILE": str(file)}),
    ):
        data = ("--workers", 1, "--data", tmp_path / "data")
        with Served(*options, *data, **variables) as server:
            assert "needed: " in server.printed
            backends = ("backends", "--url", server.url)
            assert call(*backends, RUNTIME_TOKEN="open-sesame").returncode == 0
            assert call(*backends).returncode == 2


@pytest.mark.parametrize(
    ("options", "variables", "says"),
    [
        (["--token-file", "/no/such"], {}, "--token-file: can't read /no/such"),
        ([], {"RUNTIME_TOKEN_FILE": "/no/such"}, "RUNTIME_TOKEN_FILE: can't read /no/such"),
        (["--token-file", os.devnull], {}, "--token-file: /dev/null is empty"),
        (["--token-file", "f", "--token", "open-sesame"], {}, "give one of them"),
        ([], {"RUNTIME_TOKEN_FILE": "f", "RUNTIME_TOKEN": "open-sesame"}, "give one of them"),
        (["--token", "short"], {}, "--token: a token has 8 to 1024"),
        ([], {"RUNTIME_TOKEN": "two words"}, "RUNTIME_TOKEN: a token has 8 to 1024"),
    ],
)
def test_a_token_that_will_not_do_is_refused_in_a_sentence(options, variables, says, tmp_path):
    """The option or variable is named, the token is not repeated, and nothing is served."""
    ended = call("serve", "--port", 0, "--data", tmp_path, *options, **variables)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert says in ended.stderr
    assert "short" not in ended.stderr and "two words" not in ended.stderr


def test_a_token_is_made_where_the_system_tells_nobody(tmp_path):
    """Elsewhere than on Linux: it is shown, kept in a file of the user's, and found by a client."""
    script = "import api.peers, api.cli.main as m; api.peers.can_identify = lambda: False; m.main()"
    command = [sys.executable, "-c", script, "serve", "--port", "0", "--workers", "1"]
    tokens = []
    for _ in range(2):
        with subprocess.Popen(
            [*command, "--data", str(tmp_path)],
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env=make_environment(),
        ) as server:
            said = "".join(iter(server.stdout.readline, "Ctrl-C stops it.\n"))
            url, token = re.search(r"http://[\d.]+:\d+", said)[0], re.search(r"run: (\S+)", said)[1]
            tokens.append(token)
            file = tmp_path / "token"
            assert (file.read_text(), file.stat().st_mode & 0o777) == (f"{token}\n", 0o600)
            assert call("backends", "--url", url, RUNTIME_DATA=tmp_path).returncode == 0
            assert call("backends", "--url", url, RUNTIME_DATA=tmp_path / "other").returncode == 2
            server.terminate()
    assert len(set(tokens)) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_server_leaves_nothing(number, tmp_path):
    """SIGTERM and Ctrl-C, while a job runs, end with 0, no words and no process."""
    options = ("--workers", 1, "--programs", PROGRAMS, "--data", tmp_path)
    with Served(*options) as server:
        arguments = ("run", "steps", *steps(["print", "up"], ["wait", "/never"]))
        with start(*arguments, "--url", server.url) as client:
            assert client.stdout.readline() == "up\n"
            below = descendants(server.process.pid)
            assert len(below) >= 2
            code, errors = server.stop(number)
            client.kill()
    assert (code, alive(below)) == (0, []), errors
    assert "Traceback" not in errors


def test_runners_of_a_killed_server_notice(tmp_path):
    """After SIGKILL of the server its runners, busy and idle, are gone within two seconds."""
    options = ("--workers", 2, "--programs", PROGRAMS, "--data", tmp_path)
    with Served(*options) as server:
        job = steps(["print", "up"], ["wait", "/never"])
        with start("run", "steps", *job, "--url", server.url) as client:
            assert client.stdout.readline() == "up\n"
            below = descendants(server.process.pid)
            assert len(below) >= 4
            server.process.kill()
            wait_until(lambda: not alive(below), seconds=2)
            client.kill()


def test_a_reloading_server_serves_and_stops(tmp_path):
    """--reload serves from a process of its own, and all of it stops with 0."""
    with Served("--reload", "--workers", 1, "--data", tmp_path) as server:
        assert call("programs", "--url", server.url).returncode == 0
        below = descendants(server.process.pid)
        code, errors = server.stop()
    assert code == 0, errors
    # multiprocessing's resource tracker ends when it reads that the server's pipe is closed.
    wait_until(lambda: not alive(below), seconds=5)


# run


def test_a_run_shows_what_the_job_does(run):
    """Messages, print-outs and the result's bars come on stdout in order; the status on stderr."""
    ended = run("run", "hello-quantum", "-p", "greeting=Hi")
    assert ended.returncode == 0, ended.stderr
    greeting, drawing, result, bars = (
        ended.stdout.index(text) for text in ('"Hi"\n', "q_0: ", "\nResult\n", "  00 00  █")
    )
    assert greeting < drawing < result < bars
    assert "Completed" in ended.stderr
    assert "\x1b" not in ended.stdout + ended.stderr


def test_interim_counts_are_drawn(run):
    """Counts within an interim message are bars below the rest of the message."""
    message = {"iteration": 0, "counts": {"01": 3, "10": 1}}
    ended = run("run", "steps", *steps(["publish", message], ["final", "done"]))
    lines = ended.stdout.splitlines()
    assert lines[0] == '{"iteration": 0}'
    assert lines[1].startswith("  01  ████")
    assert lines[1].endswith("3   75.0 %")
    assert lines[-2:] == ["Result", '"done"']


def test_a_stdout_without_blocks_gets_hashes(run):
    """Bars are of '#' on a stdout that can't encode blocks, and nothing fails."""
    job = steps(["print", "┌─┐"], ["final", {"0": 1}])
    ended = run("run", "steps", *job, PYTHONIOENCODING="ascii")
    assert ended.returncode == 0, ended.stderr
    assert "  0  ####" in ended.stdout


def test_a_failed_run_ends_with_1(run):
    """The traceback is streamed, reason and message are shown, the exit code is 1."""
    ended = run("run", "steps", *steps(["fail", "too cold"]))
    assert ended.returncode == 1
    assert "Traceback" in ended.stdout
    assert "(ProgramError): ValueError: too cold" in ended.stderr


def test_a_run_without_logs_shows_messages_alone(run):
    """--no-logs leaves out what was printed."""
    ended = run("run", "steps", "--no-logs", *steps(["print", "secret"], ["final", 1]))
    assert ended.stdout == "\nResult\n1\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["no-such-program"], "Program not found"),
        (["steps", "--backend", "no-such"], "no-such"),
        (["steps", "--tag", "x" * 200], "tags.0"),
        (["steps", "-p", "no-equals-sign"], "KEY=VALUE"),
        (["steps", "--params-json", "[1]"], "--params-json"),
        (["steps", "--params", "/no/such/file"], "/no/such/file"),
        (["steps", "--url", "ftp://here"], "--url"),
    ],
)
def test_a_refused_run_ends_with_2(run, arguments, says):
    """The mistake is named in a sentence on stderr; stdout stays empty."""
    ended = run("run", *arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr


def test_no_server_ends_with_4():
    """The message of a server that does not answer has the URL and the command that starts one."""
    ended = call("run", "hello-quantum", "--url", "http://127.0.0.1:9")
    assert (ended.returncode, ended.stdout) == (4, "")
    assert "http://127.0.0.1:9" in ended.stderr
    assert "qiskit-runtime serve" in ended.stderr


def test_proxies_are_not_asked_for_this_machine(run):
    """A proxy in the environment does not keep the client from a server on this machine."""
    proxies = dict.fromkeys(("http_proxy", "HTTP_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")
    ended = run("run", "steps", *steps(["final", 1]), no_proxy="", NO_PROXY="", **proxies)
    assert ended.returncode == 0, ended.stderr


def test_json_is_one_object(run):
    """With --json stdout is one JSON object that holds everything."""
    ended = run("run", "steps", "--json", *steps(["print", "p"], ["publish", 1], ["final", [2]]))
    document = json.loads(ended.stdout)
    job_id = document.pop("id")
    assert re.fullmatch(r"[0-9a-f-]{36}", job_id)
    assert document == {
        "status": "Completed",
        "reason": "",
        "message": "",
        "result": [2],
        "interim": [1],
        "logs": "p\n1\n[2]\n",
    }


def test_json_of_a_failed_job_is_one_object_too(run):
    """A failed job's reason and message are in the object; the exit code is 1."""
    ended = run("run", "steps", "--json", *steps(["fail", "too cold"]))
    document = json.loads(ended.stdout)
    assert ended.returncode == 1
    assert (document["status"], document["reason"]) == ("Failed", "ProgramError")
    assert document["result"] is None


def test_parameters_come_from_stdin_and_pairs(run):
    """--params - reads stdin; -p goes over it."""
    given = json.dumps({"steps": [["final", "stdin"]]})
    assert '"stdin"' in run("run", "steps", "--params", "-", stdin=given).stdout
    ended = run("run", "steps", "--params", "-", *steps(["final", "pair"]), stdin=given)
    assert '"pair"' in ended.stdout


def test_a_detached_job_is_looked_at_later(run):
    """--detach prints the id alone; stream, job, logs, result, jobs and delete take it."""
    job = steps(["print", "p"], ["publish", 1], ["final", {"a": 2}])
    job_id = run("run", "steps", "--detach", "--tag", "later", *job).stdout.strip()
    streamed = run("stream", job_id, "--after", 1)
    assert (streamed.returncode, streamed.stdout) == (0, '\nResult\n{"a": 2}\n')
    assert re.search(r"status: +Completed", run("status", job_id).stdout)
    assert json.loads(run("job", job_id, "--json").stdout)["tags"] == ["later"]
    assert run("logs", job_id).stdout == 'p\n1\n{"a": 2}\n'
    assert run("result", job_id).stdout == '{"a": 2}\n'
    assert job_id in run("jobs").stdout
    assert job_id not in run("jobs", "--pending").stdout
    assert run("delete", job_id).returncode == 0
    gone = run("job", job_id)
    assert (gone.returncode, gone.stderr) == (2, "Error: Job not found (404)\n")


def test_lists_are_tables_or_json(run):
    """Programs and backends are tables for people and JSON for scripts."""
    assert "hello-quantum" in run("programs").stdout
    assert "aer_simulator " in run("backends").stdout
    assert "steps" in {program["id"] for program in json.loads(run("programs", "--json").stdout)}


def test_ctrl_c_cancels_the_job(run, served):
    """Ctrl-C during a run asks the server to cancel the job, says so, and ends with 130."""
    arguments = ("run", "steps", *steps(["print", "up"], ["wait", "/never"]))
    with start(*arguments, RUNTIME_URL=served.url) as client:
        assert client.stdout.readline() == "up\n"
        client.send_signal(signal.SIGINT)
        _, errors = client.communicate(timeout=20)
    assert client.returncode == 130
    job_id = re.search(r"cancel job ([0-9a-f-]{36})", errors)[1]
    assert "Traceback" not in errors
    ended = run("stream", job_id)
    assert ended.returncode == 3
    assert "Cancelled" in ended.stderr


def test_ctrl_c_leaves_a_streamed_job_alone(run, served):
    """Ctrl-C during ``stream`` ends the watching; the job goes on until it is cancelled."""
    job = steps(["print", "up"], ["wait", "/never"])
    job_id = run("run", "steps", "--detach", *job).stdout.strip()
    assert run("result", job_id).returncode == 1
    with start("stream", job_id, RUNTIME_URL=served.url) as client:
        assert client.stdout.readline() == "up\n"
        client.send_signal(signal.SIGINT)
        _, errors = client.communicate(timeout=20)
    assert (client.returncode, "goes on" in errors) == (130, True)
    assert job_id in run("jobs", "--pending").stdout
    assert run("cancel", job_id).returncode == 0
    assert run("stream", job_id).returncode == 3


def test_a_closed_output_is_no_traceback(served):
    """The command ends quietly after the reader of its output has gone away, as ``head`` does."""
    arguments = ("run", "steps", *steps(["count", 2000]))
    with start(*arguments, RUNTIME_URL=served.url) as client:
        client.stdout.readline()
        client.stdout.close()
        errors = client.stderr.read()
        assert client.wait(20) == 141
    assert "Traceback" not in errors
    assert "BrokenPipe" not in errors


STATUS_LINE = rb"(\r|\x1b\[2K|\x1b\[\?25l)[|/\\-] (Queued|Running)  \d+ s"


def test_a_terminal_sees_the_wait_and_colours(served, tmp_path):
    """On a terminal a status line shows while nothing comes, and goes without a trace."""
    gate = tmp_path / "gate"
    reader, writer = pty.openpty()
    job = steps(["wait", str(gate)], ["final", 1])
    arguments = [COMMAND, "run", "steps", *job, "--url", served.url]
    with subprocess.Popen(arguments, stdout=writer, stderr=writer, env=make_environment()) as ended:
        os.close(writer)
        shown = read_terminal(reader, gate)
    assert ended.returncode == 0
    assert gate.exists(), shown
    assert "\r\n\x1b[1mResult\x1b[0m" in shown
    assert shown.rstrip().endswith("\x1b[0m")


def read_terminal(reader, gate=None):
    """All that is written to a pseudo-terminal; its end is an error on Linux.

    A gate, which a job waits for, opens when the status line is there.
    """
    shown = b""
    with suppress(OSError), os.fdopen(reader, "rb", buffering=0) as terminal:
        while select.select([terminal], [], [], 20)[0] and (data := terminal.read(4096)):
            shown += data
            if gate is not None and re.search(STATUS_LINE, shown):
                gate.touch()
    return shown.decode()


class CuttingProxy:
    """Passes TCP on to a server, and cuts each websocket after some bytes from it."""

    def __init__(self, url, cut_after, cuts):
        host, port = url.removeprefix("http://").split(":")
        self.target = (host, int(port))
        self.cut_after, self.cuts = cut_after, cuts
        self.streams = 0

    @contextmanager
    def listening(self):
        """The proxy's URL."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=self.accept, args=[listener], daemon=True).start()
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            listener.shutdown(socket.SHUT_RDWR)

    def accept(self, listener):
        """Accept connections, a thread for each."""
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self.serve, args=[client], daemon=True).start()

    def serve(self, client):
        """Pass on both ways, and cut a stream where it is its turn."""
        with client, socket.create_connection(self.target) as server, suppress(OSError):
            request = client.recv(65536)
            server.sendall(request)
            left = float("inf")
            if request.startswith(b"GET /stream"):
                self.streams += 1
                left = self.cut_after if self.streams <= self.cuts else left
            while left > 0:
                for source in select.select([client, server], [], [])[0]:
                    data = source.recv(int(min(left, 4096)))
                    if not data:
                        return
                    (server if source is client else client).sendall(data)
                    left -= len(data) * (source is server)


def test_cut_connections_lose_and_repeat_nothing(served):
    """A real stream that is cut three times midway shows each message and line once, in order."""
    proxy = CuttingProxy(served.url, cut_after=2000, cuts=3)
    each = [step for i in range(60) for step in (["publish", i], ["print", f"line {i}"])]
    with proxy.listening() as url:
        ended = call("run", "steps", *steps(*each, ["final", "end"]), "--url", url)
    assert ended.returncode == 0, ended.stderr
    shown = [line for i in range(60) for line in (str(i), f"line {i}")]
    assert ended.stdout.splitlines() == [*shown, "", "Result", '"end"']
    assert ended.stderr.count("reconnecting") == 3
    assert proxy.streams == 4


def test_a_restarted_server_ends_the_stream_with_the_jobs_fate(tmp_path):
    """A run whose server is restarted reconnects and says that the job was interrupted."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ("--port", port, "--workers", 1, "--programs", PROGRAMS, "--data", tmp_path)
    with Served(*options) as server:
        job = steps(["print", "up"], ["wait", "/never"])
        client = start("run", "steps", *job, "--url", server.url)
        assert client.stdout.readline() == "up\n"
        server.process.kill()
        server.process.wait()
    with client, Served(*options):
        rest, errors = client.communicate(timeout=20)
    assert (client.returncode, rest) == (1, ""), errors
    assert "Interrupted" in errors


# quickstart


def test_quickstart_shows_it_all(tmp_path):
    """The greeting, the drawing and the counts are shown, then what to do next; nothing is left."""
    settings = {"RUNTIME_TOKEN": "users-own", "NUM_WORKERS": "zero"}
    ended = call("quickstart", TMPDIR=tmp_path, **settings)
    assert ended.returncode == 0, ended.stderr
    for text in ("1. Starting", "Hello, quantum world!", "┤ H ├", "Result", "█", "make serve"):
        assert text in ended.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_quickstart_leaves_no_process(number, code):
    """Ctrl-C and SIGTERM stop the server that it started, too."""
    with start("quickstart") as quickstart:
        quickstart.stdout.readline()
        wait_until(lambda: descendants(quickstart.pid))
        below = descendants(quickstart.pid)
        quickstart.send_signal(number)
        _, errors = quickstart.communicate(timeout=20)
    assert quickstart.returncode == code, errors
    assert "Traceback" not in errors
    # On a busy machine an ended process is gone a moment later; one that is left would stay.
    wait_until(lambda: not alive(below), seconds=10)


def test_a_quickstart_whose_server_fails_shows_why(tmp_path):
    """The output of a server that can't start is shown, and the exit code is 1."""
    (tmp_path / "uvicorn.py").write_text("raise ImportError('broken on purpose')")
    ended = call("quickstart", PYTHONPATH=tmp_path)
    assert ended.returncode == 1
    assert "broken on purpose" in ended.stderr


# parameters and sizes


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("[1, 2]", [1, 2]), ("Ann", "Ann"), ('"3"', "3"), ("NaN", "NaN"), ("1e999", "1e999"),
     ("true", True), ("", ""), ("a=b", "a=b")],
)  # fmt: skip
def test_a_value_is_json_or_a_string(text, value):
    """A value that is not JSON is a string; NaN and Infinity are no JSON."""
    assert parse_value(text) == value


def test_parameters_without_pairs_stay_verbatim():
    """A file's text is sent as it is; a pair's value may hold an equals sign."""
    text = '{ "x": 1.10 }'
    assert make_params([], text) == text
    assert json.loads(make_params(["y=a=b"], text)) == {"x": 1.1, "y": "a=b"}
    with pytest.raises(click.BadParameter):
        make_params([], "{")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2GiB", 2**31),
        ("512 MiB", 2**29),
        ("1k", 1024),
        ("1.5G", 3 * 2**29),
        ("1MB", 10**6),
        ("0", 0),
    ],
)
def test_sizes_are_read_in_their_units(text, size):
    """Binary and decimal units, fractions, and plain bytes."""
    assert TypeAdapter(Size).validate_python(text) == size


def test_help_imports_nothing_heavy():
    """--help is instant: no HTTP, websocket, server or model library is imported."""
    heavy = "httpx", "websockets", "uvicorn", "pydantic", "fastapi", "rich"
    code = f"import sys, api.cli.main; print([name for name in {heavy} if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"
