"""The file of accounts: what it may say, and its rotation without a restart."""

import logging
import re

import pytest
import yaml

from api.accounts.accounts_file import (
    MAX_FILE_BYTES,
    AccountsFile,
    AccountsFileInvalid,
    parse_accounts,
    read_accounts,
)
from api.accounts.caller import Role
from api.accounts.keys import find_caller, hash_key
from qiskit_runtime.contract.resources.instance import parse_instance
from tests.api.accounts.conftest import describe_accounts, sha256

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


ALICE = {"name": "alice", "sha256": [sha256("token-a")], "instances": ["a/b/c", "d/e/f"]}
BOB = {"name": "bob", "sha256": [sha256("token-b")], "instances": ["a/b/c"], "roles": ["viewer"]}


def dump(*accounts):
    return yaml.safe_dump({"accounts": list(accounts)}).encode()


def test_an_account_has_name_instances_and_roles():
    """The first instance is its default, and without roles it is a user."""
    known = parse_accounts(dump(ALICE, BOB))
    alice, bob = (find_caller(known, hash_key(f"token-{name}")) for name in "ab")

    assert (alice.name, alice.instance) == ("alice", parse_instance("a/b/c"))
    assert alice.instances == (parse_instance("a/b/c"), parse_instance("d/e/f"))
    assert (alice.roles, bob.roles) == ({Role.USER}, {Role.VIEWER})
    assert (alice.may_change, bob.may_change) == (True, False)


def test_json_is_read_as_well():
    """A JSON text is YAML."""
    text = b'{"accounts": [{"name": "a", "sha256": ["%s"], "instances": ["a/b/c"]}]}'
    assert len(parse_accounts(text % sha256("token-a").encode())) == 1


def test_a_rotated_account_has_two_tokens_for_a_while():
    """Each of its hashes leads to the account."""
    both = [sha256("token-old"), sha256("token-new").upper()]
    known = parse_accounts(dump(ALICE | {"sha256": both}))

    for token in ("token-old", "token-new"):
        assert find_caller(known, hash_key(token)).name == "alice"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"accounts: [", "not YAML: line 1"),
        (b"\xff\xfe\x00", "not YAML"),
        (b"", "the file: "),
        (b"- a", "the file: "),
        (b"accounts: 7", "accounts: "),
        (b"accounts: []\nmore: 1", "more: Extra inputs"),
        (dump(ALICE | {"sha256": []}), "accounts.0.sha256: "),
        (dump(ALICE | {"sha256": ["token-a"]}), "accounts.0.sha256.0: String should match"),
        (dump(ALICE | {"sha256": [sha256("")]}), "hash of an empty text"),
        (dump(ALICE | {"instances": []}), "accounts.0.instances: "),
        (dump(ALICE | {"instances": ["a/b"]}), "'a/b' is no instance: hub/group/project"),
        (dump(ALICE, BOB | {"roles": ["owner"]}), "accounts.1.roles"),
        (dump(ALICE | {"roles": []}), "accounts.0.roles: "),
        (dump(ALICE | {"token": "token-a"}), "accounts.0.token: Extra inputs"),
        (dump(ALICE | {"name": ""}), "accounts.0.name: "),
        (dump(ALICE, BOB | {"name": "alice"}), "name: 'alice' is there twice"),
        (dump(ALICE, BOB | {"sha256": ALICE["sha256"]}), "sha256: is there twice"),
        (b"[" * 100_000, "not YAML"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place_and_without_its_values(data, words):
    """The account and the field are named; a token that was put there by mistake is not shown."""
    with pytest.raises(ValueError, match=re.escape(words)) as refused:
        parse_accounts(data)

    assert "token-a" not in str(refused.value)


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    """The limit is that of a Secret."""
    file = tmp_path / "accounts.yaml"
    file.write_bytes(b" " * (MAX_FILE_BYTES + 1))

    with pytest.raises(AccountsFileInvalid, match="1048576 bytes"):
        read_accounts(file)


@pytest.fixture
def clock(monkeypatch):
    """The time as ``accounts_file`` sees it: a call moves it on."""
    now = [1000.0]
    monkeypatch.setattr("api.accounts.accounts_file.time.monotonic", lambda: now[0])

    def move_on(seconds: float = 2.0) -> None:
        now[0] += seconds

    return move_on


async def names(accounts: AccountsFile) -> set[str]:
    return {key.caller.name for key in await accounts.load()}


async def test_a_changed_file_counts_within_a_second(tmp_path, clock):
    """A Secret is changed as here: a link leads to another folder from one moment to the next."""
    link, file = tmp_path / "data", tmp_path / "data" / "accounts.yaml"
    for folder, content in (("one", dump(ALICE)), ("two", dump(BOB))):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "accounts.yaml").write_bytes(content)
    link.symlink_to("one")
    accounts = AccountsFile(file)
    assert await names(accounts) == {"alice"}

    (tmp_path / "new").symlink_to("two")
    (tmp_path / "new").replace(link)
    assert await names(accounts) == {"alice"}
    clock()
    assert await names(accounts) == {"bob"}


async def test_a_file_that_can_not_be_used_changes_nothing_and_is_logged_once(
    tmp_path, clock, caplog
):
    """The old accounts stay, for a broken file and for one that is gone; a good one counts."""
    file = tmp_path / "accounts.yaml"
    file.write_bytes(dump(ALICE))
    accounts = AccountsFile(file)
    assert await names(accounts) == {"alice"}

    for break_it in (lambda: file.write_bytes(b"accounts: {"), file.unlink):
        break_it()
        caplog.clear()
        with caplog.at_level(logging.ERROR):
            for _ in range(3):
                clock()
                assert await names(accounts) == {"alice"}
        assert len(caplog.records) == 1
        assert "stay what they were" in caplog.text
    file.write_bytes(dump(BOB))
    clock()
    assert await names(accounts) == {"bob"}


async def test_a_file_that_is_wrong_from_the_start_is_an_error(tmp_path):
    """A server that knows nobody does not begin to serve."""
    file = tmp_path / "accounts.yaml"
    file.write_text(describe_accounts() + "\nmore: 1")

    with pytest.raises(AccountsFileInvalid, match=r"accounts\.yaml: more"):
        await AccountsFile(file).load()
    with pytest.raises(FileNotFoundError):
        await AccountsFile(tmp_path / "none").load()
