"""The official client whose identity token ends, and whose account is withdrawn while it works."""

import pytest

from tests.api.accounts.conftest import TOKENS, describe_accounts, make_brief
from tests.api.conftest import run_server
from tests.api.ibm.test_official_client import run_client

pytestmark = pytest.mark.timeout(120)

LIFE = 13
"""The seconds of a token's life: the client takes a new one when it has ten left."""

WATCH = """
import gc, requests
from pathlib import Path
from ibm_cloud_sdk_core import IAMTokenManager

def read_token(manager):
    return manager.access_token, manager.expire_time

def find_tokens():
    found = [one for one in gc.get_objects() if isinstance(one, IAMTokenManager)]
    return sorted({read_token(one) for one in found if one.access_token}, key=lambda one: one[1])

def ask(token):
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(f"{URL}/api/v1/jobs?limit=1", headers=headers).status_code

def measure(call):
    begun = time.monotonic()
    return name_error(call), time.monotonic() - begun

service = QiskitRuntimeService()
backend = service.backend("aer_simulator")
first, ends = find_tokens()[-1]
"""


@pytest.fixture
def accounts(tmp_path):
    """The file of accounts."""
    file = tmp_path / "accounts.yaml"
    file.write_text(describe_accounts())
    return file


@pytest.fixture
def brief(tmp_path, accounts):
    """A server whose identity tokens live for seconds."""
    with run_server(
        tmp_path / "server", prepare=make_brief(LIFE), RUNTIME_ACCOUNTS=str(accounts)
    ) as server:
        yield server


def call(server, script):
    """Run a script of Alice's, with the server's address and the tokens that the client has."""
    begin = f"URL = {str(server.http.base_url).rstrip('/')!r}\n"
    alice = {"token": TOKENS["alice"], "options": "--instance chem/lab/vqe"}
    return run_client(server, begin + WATCH + script, **alice)


def test_client_asks_for_a_new_token_by_itself(brief):
    """The old one has ended and opens nothing; the client's next calls do not notice."""
    found = call(
        brief,
        """
before = ask(first)
time.sleep(max(0, ends + 1 - time.time()))
after = ask(first)
counts = SamplerV2(backend).run([bell]).result()[0].data.meas.get_counts()
job = service.jobs(limit=1)[0].job_id()
print(json.dumps([before, after, sum(counts.values()), bool(job), find_tokens()[-1][0] != first]))
""",
    )
    assert found == [200, 401, 4096, True, True]


def test_client_of_a_withdrawn_account_fails_at_once_and_in_words(brief, accounts):
    """With a token that is good for longer, and with one that it has to exchange: under 2 s."""
    accounts_without = describe_accounts({**TOKENS, "alice": "another-token-of-alice"})
    found = call(
        brief,
        f"""
service.jobs(limit=1)
Path({str(accounts)!r}).write_text({accounts_without!r})
while ask(find_tokens()[-1][0]) == 200:
    time.sleep(0.1)
job_list, run = (lambda: service.jobs(limit=1)), (lambda: SamplerV2(backend).run([bell]))
with_token = [measure(job_list), measure(run)]
time.sleep(max(0, find_tokens()[-1][1] + 1 - time.time()))
without = [measure(job_list), measure(run)]
print(json.dumps(with_token + without))
""",
    )
    for (name, text), seconds in found:
        assert name == "IBMNotAuthorizedError"
        assert "401" in text and "has expired, or was withdrawn" in text
        assert seconds < 2
