"""A file of accounts, and a server that uses it."""

import hashlib
from pathlib import Path

import httpx
import pytest
import yaml

from tests.api.conftest import Server, run_server, wait_until

TOKENS = {
    "alice": "token-of-alice",
    "ann": "token-of-ann-of-the-same-instance",
    "bob": "token-of-bob",
    "root": "token-of-the-admin",
    "guest": "token-of-the-viewer",
}

INSTANCES = {
    "alice": ["chem/lab/vqe", "chem/lab/second"],
    "ann": ["chem/lab/vqe"],
    "bob": ["bio/lab/main"],
    "root": ["ops/ops/ops"],
    "guest": ["chem/lab/vqe"],
}

ROLES = {"root": ["admin"], "guest": ["viewer"]}


def sha256(token: str) -> str:
    """Return what the file has of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def describe_accounts(tokens: dict[str, str] = TOKENS) -> str:
    """Return the text of a file with these accounts."""
    accounts = [
        {
            "name": name,
            "sha256": [sha256(token)],
            "instances": INSTANCES[name],
            **({"roles": ROLES[name]} if name in ROLES else {}),
        }
        for name, token in tokens.items()
    ]
    return yaml.safe_dump({"accounts": accounts})


def make_brief(seconds: int) -> str:
    """Return what a server has to run before it starts, so that identity tokens live so long."""
    return f"from api.accounts import identity_tokens; identity_tokens.TOKEN_SECONDS = {seconds}"


class Tenants:
    """A server with accounts, and a client for each."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.clients = {
            name: httpx.Client(
                base_url=server.http.base_url,
                trust_env=False,
                timeout=60,
                headers={"Authorization": f"Bearer {token}"},
            )
            for name, token in TOKENS.items()
        }

    def __getitem__(self, name: str) -> httpx.Client:
        """Return the client of an account."""
        return self.clients[name]

    def run(self, name: str, steps: str = "[]", **fields: str) -> str:
        """Post a job of the program 'steps' for an account; returns its id."""
        labels = dict.fromkeys(("hub", "group", "project", "backend"), "")
        params = [f'{{"steps": {steps}}}']
        body = {"programId": "steps", **labels, "params": params} | fields
        answer = self[name].post("/jobs", json=body)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def finish(self, name: str, job_id: str) -> None:
        """Wait until a job of an account has ended."""
        wait_until(
            lambda: self[name].get(f"/jobs/{job_id}").json()["status"] not in ("Queued", "Running")
        )

    def close(self) -> None:
        """Close the clients."""
        for client in self.clients.values():
            client.close()


@pytest.fixture(scope="module")
def accounts_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the module's server."""
    file = tmp_path_factory.mktemp("accounts") / "accounts.yaml"
    file.write_text(describe_accounts())
    return file


@pytest.fixture(scope="module")
def tenants(tmp_path_factory: pytest.TempPathFactory, accounts_file: Path):
    """A server with accounts."""
    with run_server(
        tmp_path_factory.mktemp("tenants"), RUNTIME_ACCOUNTS=str(accounts_file)
    ) as server:
        found = Tenants(server)
        yield found
        found.close()
        log = server.log.read_text()
    assert "Traceback" not in log, log
