"""The texts of the client's errors: the server's words, and what to do, for Python and a shell."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from api.cli.job_commands import fail
from qiskit_runtime.client import (
    NameTaken,
    NoServer,
    ProgramDiffers,
    ProgramNotFound,
    StreamLost,
    Unauthorized,
    Unreachable,
)
from qiskit_runtime.client.errors import explain_refusal

REMEDIES = [
    (NoServer("http://here", "refused"), "url= or RUNTIME_URL", "--url or RUNTIME_URL"),
    (StreamLost("id", 7, "cut"), "stream(after=7)", "qiskit-runtime stream id"),
    (Unauthorized("Unauthorized"), "token= or RUNTIME_TOKEN", "RUNTIME_TOKEN or --token"),
    (ProgramNotFound("Program not found"), "programs()", "`qiskit-runtime programs`"),
    (ProgramDiffers("mine"), "replace=True", "--replace"),
    (NameTaken("vqe"), "give another name", "--name"),
]


@pytest.mark.parametrize(("error", "in_python", "in_a_shell"), REMEDIES)
def test_each_reader_is_told_what_to_do_in_their_own_terms(error, in_python, in_a_shell):
    """The client's text names its arguments, the command line's its options."""
    assert in_python in str(error)
    assert "--" not in str(error)
    shown = fail(error).message
    assert in_a_shell in shown and in_python not in shown
    assert shown.startswith(error.problem)


@pytest.mark.parametrize(
    ("status", "detail", "kind"),
    [(401, "Unauthorized", Unauthorized), (404, "Program not found", ProgramNotFound)],
)
def test_refusals_with_a_remedy_are_kinds_of_their_own(status, detail, kind):
    """Their status and the server's sentence are as in any other refusal."""
    refused = explain_refusal(status, json.dumps({"detail": detail}))
    assert type(refused) is kind
    assert (refused.status, refused.detail) == (status, detail)


@contextmanager
def failing_server(status, body):
    """The URL of a server that answers each request so."""

    class Fails(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Fails) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (503, b'{"detail": "no Kubernetes"}', r"failed: no Kubernetes \(503\)"),
        (502, b"<html>a proxy's page</html>", r"failed: Bad Gateway \(502\)"),
        (500, b'{"detail": null}', r"failed: Internal Server Error \(500\)"),
    ],
)
def test_a_failing_server_s_words_are_passed_on(connect, status, body, says):
    """The error has the server's sentence; a proxy's page is none."""
    with failing_server(status, body) as url, pytest.raises(Unreachable, match=says):
        connect(url).backends()


@pytest.mark.parametrize("call", [lambda c: c.run("vqe", tags="abc"), lambda c: c.jobs(tags="abc")])
def test_one_text_is_no_list_of_tags(connect, call):
    """It would be a tag for each letter; the error shows how to write one tag."""
    with pytest.raises(TypeError, match=r"tags=\['abc'\]"):
        call(connect("http://127.0.0.1:9"))
