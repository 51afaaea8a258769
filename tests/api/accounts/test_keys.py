"""Keys by their hashes, and the identity tokens that are made of them."""

import base64
import json
import time

import jwt
import pytest

from api.accounts import keys
from api.accounts.caller import Caller
from api.accounts.identity_tokens import IdentityTokens, make_secret
from api.accounts.keys import KeyAuthenticator, KnownKey, OneKey, find_caller, hash_key
from api.accounts.open_door import OpenDoor

pytestmark = pytest.mark.anyio

TOKENS = IdentityTokens(b"s" * 32)
SEALED = TOKENS.seal(hash_key("open-sesame"))


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def one_key():
    """The authenticator of a server with the token 'open-sesame'."""
    return KeyAuthenticator(OneKey("open-sesame").load, TOKENS)


def payload_of(token: str) -> dict[str, object]:
    """Return what anybody can read in a token."""
    part = token.split(".")[1]
    found: dict[str, object] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def test_all_hashes_are_compared_in_constant_time_wherever_the_match_is(monkeypatch):
    """As many comparisons are made for the first key as for the last and for none."""
    known = [KnownKey(hash_key(f"token-{n}"), Caller(f"account {n}")) for n in range(50)]
    compared = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return one == other

    monkeypatch.setattr(keys.hmac, "compare_digest", compare)
    found = [find_caller(known, hash_key(token)) for token in ("token-0", "token-49", "token-50")]

    assert [caller and caller.name for caller in found] == ["account 0", "account 49", None]
    assert compared == [(32, 32)] * 150


async def test_an_identity_token_stands_for_its_key_and_does_not_show_it(one_key):
    """It has iat and exp as numbers, as the official client needs them, and the key's hash."""
    issued = await one_key.issue("open-sesame", 60)
    payload = payload_of(issued.text)

    assert await one_key.authenticate(issued.text) == Caller(secret="open-sesame")
    assert (payload["iat"], payload["exp"]) == (issued.issued, issued.issued + 60)
    assert abs(issued.issued - time.time()) < 5
    assert "open-sesame" not in json.dumps(payload)
    # Nor its hash, against which keys could be tried.
    assert hash_key("open-sesame").hex() not in json.dumps(payload)
    assert TOKENS.unseal(payload["key"]) == hash_key("open-sesame")
    assert IdentityTokens(b"t" * 32).unseal(payload["key"]) is None


async def test_a_wrong_key_gets_a_token_that_opens_nothing(one_key):
    """The official client fails at its first request then, and waits a minute where it gets 400."""
    issued = await one_key.issue("open-sesame2")

    assert await one_key.authenticate(issued.text) is None


async def test_an_expired_identity_token_opens_nothing(one_key):
    """Its end is checked with the signature."""
    assert await one_key.authenticate((await one_key.issue("open-sesame", -1)).text) is None


async def test_a_withdrawn_key_takes_its_tokens_with_it():
    """A token is checked against the keys of now."""
    known = [KnownKey(hash_key("first-key"), Caller("alice"))]

    async def load() -> list[KnownKey]:
        return known

    authenticator = KeyAuthenticator(load, TOKENS)
    token = (await authenticator.issue("first-key")).text
    assert await authenticator.authenticate(token) == Caller("alice")
    known[:] = [KnownKey(hash_key("second-key"), Caller("alice"))]
    assert await authenticator.authenticate(token) is None


@pytest.mark.parametrize(
    "forged",
    [
        IdentityTokens(b"t" * 32).sign({"key": SEALED}, 60).text,
        jwt.encode(
            {"key": SEALED, "iss": "qiskit-runtime", "iat": 1, "exp": 2**33},
            "",
            algorithm="none",
        ),
        jwt.encode({"key": SEALED, "iat": 1, "exp": 2**33}, b"s" * 32, "HS256"),
        jwt.encode(
            {"key": SEALED, "iss": "qiskit-runtime", "iat": 1},
            b"s" * 32,
            "HS256",
        ),
        TOKENS.sign({}, 60).text,
        TOKENS.sign({"key": ""}, 60).text,
        TOKENS.sign({"key": hash_key("open-sesame").hex()}, 60).text,
        hash_key("open-sesame").hex(),
        "",
        "..",
        "a.b.c",
        "." * 8000,
        "\udcff",
    ],
    ids=[
        *("another-secret", "alg-none", "no-issuer", "no-end", "no-key", "empty-key"),
        *("hash-unsealed", "the-hash"),
        *("empty", "dots", "no-base64", "many-dots", "surrogate"),
    ],
)
async def test_a_forged_token_opens_nothing(one_key, forged):
    """Neither another signature nor a token without its claims is accepted, nor a hash itself."""
    assert await one_key.authenticate(forged) is None


def test_servers_with_the_same_settings_read_each_others_tokens():
    """A secret follows from the setting; without one each server has its own."""
    token = IdentityTokens(make_secret("", "a-token-of-the-chart")).sign({"key": "k"}, 60).text

    assert IdentityTokens(make_secret("", "a-token-of-the-chart")).read(token)
    assert IdentityTokens(make_secret("x" * 32, "a-token-of-the-chart")).read(token) is None
    assert make_secret("", "") != make_secret("", "")
    assert len(make_secret("x")) == 32


async def test_without_accounts_every_key_gets_a_token():
    """The one tenant is whoever is let in."""
    door = OpenDoor(TOKENS)

    assert await door.authenticate((await door.issue("whatever")).text) == Caller()
