"""The servers that real clients run against: local mode, with and without TLS, and the ingress."""

import os
import re
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from tests.clients.matrix import Matrix, Target
from tests.clients.programs import uploaded
from tests.clients.tls_proxy import serve_tls
from tests.cluster.installed import open_installed
from tests.cluster.target import require_cluster

TOKEN = "open-sesame-for-clients"
WORKERS = 4


@contextmanager
def run_serve(folder: Path, *options: str) -> Iterator[str]:
    """Run ``qiskit-runtime serve`` with this token; yield its address."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RUNTIME_")}
    environment = kept | {"RUNTIME_TOKEN": TOKEN, "RUNTIME_DATA": str(folder / "data")}
    command = [sys.executable, "-m", "api.cli", "serve", "--port", "0", "--workers", str(WORKERS)]
    output = folder / "output"
    with output.open("w") as written:
        process = subprocess.Popen(
            [*command, *options], env=environment, stdout=written, stderr=subprocess.STDOUT
        )
    try:
        yield _read_address(process, output)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
    assert "Traceback" not in output.read_text(), output.read_text()


def _read_address(process: subprocess.Popen[bytes], output: Path) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(r"https?://\S+", output.read_text()):
            return found[0]
        time.sleep(0.05)
    raise AssertionError(f"the server did not start: {output.read_text()}")


@pytest.fixture(scope="session")
def matrix(tmp_path_factory) -> Matrix:
    """The runs of all scripts."""
    return Matrix(tmp_path_factory.mktemp("clients"))


@pytest.fixture(scope="session")
def local(tmp_path_factory) -> Iterator[Target]:
    """Return a server in local mode."""
    with (
        run_serve(tmp_path_factory.mktemp("local")) as url,
        uploaded(url, TOKEN) as programs,
    ):
        yield Target("local", url, TOKEN, programs)


@pytest.fixture(scope="session")
def authority(tmp_path_factory) -> trustme.CA:
    """A certificate authority that nobody knows."""
    return trustme.CA()


@pytest.fixture(scope="session")
def authority_file(authority, tmp_path_factory) -> str:
    """Its certificate in a file."""
    file = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(file)
    return str(file)


@pytest.fixture(scope="session")
def local_tls(tmp_path_factory, authority, authority_file) -> Iterator[Target]:
    """Return a server in local mode that has a certificate."""
    folder = tmp_path_factory.mktemp("local-tls")
    issued = authority.issue_cert("localhost", "127.0.0.1")
    certificate, key = folder / "server.pem", folder / "server.key"
    issued.private_key_pem.write_to_path(key)
    certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    options = ("--tls-cert", str(certificate), "--tls-key", str(key))
    with run_serve(folder, *options) as url, uploaded(url, TOKEN) as programs:
        yield Target("local-tls", url, TOKEN, programs, authority_file)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Target]:
    """Return the installed chart, through its ingress."""
    with (
        open_installed(require_cluster()) as installed,
        uploaded(installed.url, installed.token) as programs,
    ):
        yield Target("cluster", installed.url.rstrip("/"), installed.token, programs)


@pytest.fixture(scope="session")
def cluster_tls(cluster, authority, authority_file) -> Iterator[Target]:
    """Return the same behind a proxy that has a certificate, as load balancers have one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    with serve_tls(cluster.url, context) as url:
        yield Target("cluster-tls", url, cluster.token, cluster.programs, authority_file)
