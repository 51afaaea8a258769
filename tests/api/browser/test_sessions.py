"""Sessions: what a cookie holds, how long it is good for, and who knows of its end."""

import hashlib

import jwt
import pytest

from api.accounts.authenticator import Authenticator
from api.accounts.caller import Caller
from api.accounts.identity_tokens import IdentityTokens
from api.browser.ended_sessions import EndedSessions, SharedEndedSessions
from api.browser.sessions import SESSION_SECONDS, AccountTooLarge, Sessions
from tests.jobstore.kubernetes.redis_server import run_redis, write_users

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    """The API's loop is asyncio's."""
    return "asyncio"


class Accounts(Authenticator):
    """Accounts whose names are their keys."""

    def __init__(self, tokens, *names):
        self.tokens, self.names = tokens, set(names)

    async def authenticate(self, credential):
        """Return the account."""
        claims = self.tokens.read(credential)
        name = claims["name"] if claims else credential
        return Caller(name) if name in self.names else None

    async def issue(self, key, seconds=3600):
        """Return a token with the name."""
        return self.tokens.sign({"name": key}, seconds)


@pytest.fixture
def tokens():
    """The tokens of the server."""
    return IdentityTokens(b"s" * 32)


@pytest.fixture
def accounts(tokens):
    """Two accounts."""
    return Accounts(tokens, "alice", "bob")


@pytest.fixture
def sessions(accounts, tokens):
    """The sessions of one server."""
    return Sessions(accounts, tokens, EndedSessions(SESSION_SECONDS))


async def test_session_stands_for_the_account_that_opened_it(sessions):
    """Each has its own number, and its account."""
    alice, again, bob = [await sessions.open(name) for name in ("alice", "alice", "bob")]
    found = [await sessions.find(value) for value in (alice, again, bob)]
    assert [one.caller.name for one in found] == ["alice", "alice", "bob"]
    assert len({one.number for one in found}) == 3


async def test_nobody_gets_no_session(sessions):
    """A credential that is nobody's opens none, and no text is a session."""
    assert await sessions.open("mallory") is None
    for value in ("", "alice", "a.b.c", "alice.alice.alice"):
        assert await sessions.find(value) is None


async def test_an_identity_token_opens_no_session(accounts, tokens, sessions):
    """It ends soon, and a session that is nobody's from the start would let nobody in."""
    issued = await accounts.issue("alice")
    assert (await accounts.authenticate(issued.text)).name == "alice"
    assert await sessions.open(issued.text) is None


async def test_session_ends_after_its_time(accounts, tokens, sessions):
    """A cookie that is older than its life, or whose identity ended before, is nobody's."""
    value = sessions.wrap(tokens.sign({"name": "alice"}, 5))
    claims = jwt.decode(value, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 5
    assert (await sessions.find(value)).caller.name == "alice"
    assert await sessions.find(sessions.wrap(tokens.sign({"name": "alice"}, 0))) is None
    assert await sessions.find(sessions.wrap(tokens.sign({"name": "alice"}, -60))) is None


async def test_session_ends_with_its_account(accounts, sessions):
    """Whose key is withdrawn has no session from that moment on."""
    value = await sessions.open("alice")
    accounts.names.remove("alice")
    assert await sessions.find(value) is None


async def test_session_is_known_to_servers_of_the_same_secret_alone(accounts, tokens, sessions):
    """Another replica finds it; a server with another secret does not."""
    value = await sessions.open("alice")
    replica = Sessions(accounts, tokens, EndedSessions(SESSION_SECONDS))
    assert (await replica.find(value)).caller.name == "alice"
    other = Sessions(accounts, IdentityTokens(b"t" * 32), EndedSessions(SESSION_SECONDS))
    assert await other.find(value) is None


async def test_cookie_and_identity_token_are_not_exchangeable(tokens, sessions):
    """Neither is taken in the other's place."""
    value = await sessions.open("alice")
    assert tokens.read(value) is None
    assert await sessions.find(tokens.sign({"name": "alice"}, 60).text) is None


async def test_account_of_hundreds_of_instances_has_a_cookie(tokens, sessions):
    """An issuer's claims fit into what browsers keep; more than that is an error, and is told."""
    instances = [f"faculty-{number % 7}/group-{number}/project" for number in range(200)]
    value = sessions.wrap(tokens.sign({"name": "alice", "instances": instances}, 60))
    assert len(value) < 4000
    assert (await sessions.find(value)).caller.name == "alice"
    drawn = [hashlib.sha256(bytes([number])).hexdigest() for number in range(200)]
    with pytest.raises(AccountTooLarge):
        sessions.wrap(tokens.sign({"name": "alice", "instances": drawn}, 60))


async def test_end_of_a_session_is_the_end_of_that_one_alone(sessions):
    """Logging out in one browser leaves the other logged in."""
    value, other = await sessions.open("alice"), await sessions.open("alice")
    await sessions.end(await sessions.find(value))
    assert await sessions.find(value) is None
    assert await sessions.find(other) is not None


async def test_end_of_a_session_is_known_to_every_replica(tmp_path):
    """The chart's user of Redis may write it and read it, and it goes with the session's time."""
    with run_redis(write_users(tmp_path, "user tests on nopass ~* &* +@all")) as server:
        here, there = (SharedEndedSessions(300, server.url_of("api")) for _ in range(2))
        await here.add("number")
        assert await here.has("number") and await there.has("number")
        assert not await there.has("another")
        await there.close()
        await here.close()


async def test_end_of_a_session_is_forgotten_after_its_time(tmp_path):
    """Redis lets it go when no cookie of it can be good any more."""
    with run_redis() as server:
        here, there = (SharedEndedSessions(1, server.url) for _ in range(2))
        await here.add("number")
        assert server.ask("TTL", "logged-out:number") == 1
        await there.close()
        await here.close()


async def test_end_holds_where_it_was_made_while_redis_is_away(caplog):
    """A logout is answered, the others' sessions go on, and the log says what is not known."""
    with run_redis() as server:
        url = server.url
    ended = SharedEndedSessions(300, url)
    await ended.add("number")
    assert await ended.has("number")
    assert not await ended.has("another") and not await ended.has("a third")
    assert [one.getMessage().partition(":")[0] for one in caplog.records] == [
        "other servers don't know that a session has ended",
        "a session may have been ended at another server",
    ]
    await ended.close()
