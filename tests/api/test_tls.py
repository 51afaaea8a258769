"""The server with a certificate of its own: https and wss, and sentences for what can't be."""

import json
import ssl
import subprocess
import sys

import httpx
import pytest
import trustme
from websockets.sync.client import connect

from tests.api.conftest import run_server, wait_until


@pytest.fixture(scope="module")
def authority():
    """A certificate authority that nobody knows."""
    return trustme.CA()


@pytest.fixture(scope="module")
def files(authority, tmp_path_factory):
    """The files of a certificate and its key."""
    folder = tmp_path_factory.mktemp("tls")
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    (folder / "cert.pem").write_bytes(b"".join(one.bytes() for one in issued.cert_chain_pems))
    return folder


@pytest.fixture(scope="module")
def secure(authority, files, tmp_path_factory):
    """A server that has them, and a client that knows the authority."""
    variables = {"RUNTIME_TLS_CERT": files / "cert.pem", "RUNTIME_TLS_KEY": files / "key.pem"}
    context = ssl.create_default_context()
    authority.configure_trust(context)
    folder = tmp_path_factory.mktemp("secure")
    settings = {name: str(file) for name, file in variables.items()}
    with run_server(folder, **settings) as server:
        base = f"https://127.0.0.1:{server.port}"
        with httpx.Client(base_url=base, verify=context, trust_env=False, timeout=60) as client:
            yield server, client, context
        log = server.log.read_text()
    assert "Traceback" not in log, log


def post(client, *steps):
    """Post a job of the program 'steps'; return its id."""
    labels = dict.fromkeys(("hub", "group", "project", "backend"), "")
    body = {"programId": "steps", **labels, "params": [json.dumps({"steps": steps})]}
    return client.post("/jobs", json=body).json()["id"]


def test_job_runs_and_streams_over_tls(secure):
    """Requests come over https, and a job's messages over wss; the user is known here, too."""
    server, client, context = secure
    job_id = post(client, ["count", 3])
    url = f"wss://127.0.0.1:{server.port}/stream/jobs/{job_id}"
    with connect(url, ssl=context, proxy=None) as websocket:
        assert [str(frame) for frame in websocket] == ["1", "2", "3"]
    wait_until(lambda: client.get(f"/jobs/{job_id}").json()["status"] == "Completed")


def test_plain_http_is_not_served(secure):
    """Nothing is answered to a client without TLS."""
    server, _, _ = secure
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{server.port}/backends", trust_env=False, timeout=30)


def test_unknown_authority_is_refused_by_the_client(secure):
    """The certificate is not one of the public authorities'."""
    server, _, _ = secure
    with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
        httpx.get(f"https://127.0.0.1:{server.port}/backends", trust_env=False, timeout=30)


def test_request_over_a_bound_is_answered(secure):
    """TLS can't be closed at one end, and the client sees the refusal all the same."""
    _, client, _ = secure
    answer = client.get("/backends", headers={"X-Long": "x" * 2**17})
    assert answer.status_code == 431


def test_large_result_comes_whole(secure):
    """Megabytes go through TLS in pieces."""
    _, client, _ = secure
    job_id = post(client, ["large", 3_000_000])
    wait_until(lambda: client.get(f"/jobs/{job_id}").json()["status"] == "Completed")
    assert len(json.loads(client.get(f"/jobs/{job_id}/results").json())) == 3_000_000


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--tls-cert", "cert.pem"], "--tls-cert: --tls-key is needed as well"),
        (["--tls-key", "key.pem"], "--tls-key: --tls-cert is needed as well"),
        (["--tls-cert", "no.pem", "--tls-key", "key.pem"], "--tls-cert: can't read"),
        (["--tls-cert", "cert.pem", "--tls-key", "no.pem"], "--tls-key: can't read"),
        (["--tls-cert", "key.pem", "--tls-key", "key.pem"], "no certificate and its key"),
        (["--tls-cert", "cert.pem", "--tls-key", "other.pem"], "no certificate and its key"),
    ],
)
def test_files_that_will_not_do_are_refused_in_a_sentence(options, sentence, files, authority):
    """The sentence names the option; the server does not start."""
    authority.issue_cert("other").private_key_pem.write_to_path(files / "other.pem")
    command = [sys.executable, "-m", "api.cli", "serve", "--port", "0", "--data", files / "data"]
    command += [files / one if one.endswith(".pem") else one for one in options]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr
