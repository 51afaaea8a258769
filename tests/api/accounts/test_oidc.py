"""OpenID tokens: of a real provider, and of those who would like to be one."""

import base64
import json
import re
import subprocess
import sys
import time
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from api.accounts import issuer_keys
from api.accounts.authenticator import AccountsUnavailable
from api.accounts.caller import InstanceRefused, Role
from api.accounts.identity_tokens import IdentityTokens
from api.accounts.issuer_documents import IssuerInvalid, find_url
from api.accounts.issuer_keys import IssuerKeys, read_keys
from api.accounts.oidc import Claims, OidcAuthenticator, find_claim, read_instances
from tests.api.conftest import run_server

pytestmark = pytest.mark.anyio

ISSUER = "https://login.example.org/realm"
RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_KEY = rsa.generate_private_key(65537, 2048)


@pytest.fixture
def anyio_backend():
    return "asyncio"


def jwk(key, kid, **fields):
    """Return a public key as an issuer publishes it."""
    kind = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    return kind.to_jwk(key.public_key(), as_dict=True) | {"kid": kid, "use": "sig"} | fields


KEYS = {"keys": [jwk(RSA_KEY, "r1", alg="RS256"), jwk(EC_KEY, "e1")]}


class Issuer:
    """An issuer that counts how often it is asked."""

    def __init__(self, keys=KEYS, description=None):
        self.keys = keys
        self.description = description or {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"}
        self.asked = 0
        self.is_away = False

    def answer(self, request):
        self.asked += request.url.path.endswith("/keys")
        if self.is_away:
            raise httpx.ConnectError("away")
        found = self.keys if request.url.path.endswith("/keys") else self.description
        return httpx.Response(200, content=found if isinstance(found, bytes) else json.dumps(found))

    def authenticator(self, **claims):
        http = httpx.AsyncClient(transport=httpx.MockTransport(self.answer))
        wanted = Claims(ISSUER, ("runtime", "other-app"), **claims)
        return OidcAuthenticator(wanted, IssuerKeys(ISSUER, http), IdentityTokens(b"s" * 32))


def claims(**changed):
    """Return the claims of a good token; None leaves one out."""
    now = int(time.time())
    whole = {
        "iss": ISSUER,
        "aud": "runtime",
        "sub": "u-17",
        "iat": now,
        "exp": now + 600,
        "preferred_username": "alice",
        "groups": ["/chem/lab/vqe", "everybody", "chem/lab/second", "/chem/lab/vqe"],
    }
    return {key: value for key, value in (whole | changed).items() if value is not None}


def sign(key=RSA_KEY, algorithm="RS256", kid="r1", **changed):
    """Return a token of these claims."""
    return jwt.encode(claims(**changed), key, algorithm, headers={"kid": kid} if kid else {})


@pytest.mark.parametrize("token", [sign(), sign(EC_KEY, "ES256", "e1"), sign(kid="")])
async def test_a_token_of_the_issuer_is_an_account(token):
    """RS256 and ES256; without a key's id where one key fits. The account is in the claims."""
    caller = await Issuer().authenticator().authenticate(token)

    assert (caller.name, caller.secret) == ("alice", f"{ISSUER}#u-17")
    assert [one.name for one in caller.instances] == ["chem/lab/vqe", "chem/lab/second"]
    assert caller.roles == {Role.USER}


def unsigned(header):
    parts = (json.dumps(header).encode(), json.dumps(claims()).encode(), b"")
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


PEM = RSA_KEY.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)


def sign_with_public_key(text=PEM):
    """Return a token whose HMAC key is the issuer's public key, which everybody has."""
    import hashlib
    import hmac

    head = {"alg": "HS256", "kid": "r1", "typ": "JWT"}
    parts = [json.dumps(part).encode() for part in (head, claims())]
    body = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    mac = hmac.digest(text, body, hashlib.sha256)
    return (body + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()


NOW = int(time.time())

HOSTILE = {
    "none": unsigned({"alg": "none", "kid": "r1"}),
    "None": unsigned({"alg": "None", "kid": "r1"}),
    "no-alg": unsigned({"kid": "r1"}),
    "public-key-as-secret": sign_with_public_key(),
    "modulus-as-secret": sign_with_public_key(KEYS["keys"][0]["n"].encode()),
    "other-key": sign(OTHER_KEY),
    "ec-key-for-rsa": unsigned({"alg": "ES256", "kid": "r1"}),
    "rs512": sign(RSA_KEY, "RS512"),
    "ps256": sign(RSA_KEY, "PS256"),
    "unknown-kid": sign(kid="r2"),
    "kid-path": sign(kid="../../etc/passwd"),
    "kid-list": unsigned({"alg": "RS256", "kid": ["r1"]}),
    "other-audience": sign(aud="another"),
    "no-audience": sign(aud=None),
    "audience-part": sign(aud="run"),
    "other-issuer": sign(iss="https://evil.example.org"),
    "issuer-with-slash": sign(iss=ISSUER + "/"),
    "no-issuer": sign(iss=None),
    "expired": sign(exp=NOW - 60),
    "no-exp": sign(exp=None),
    "exp-text": sign(exp="tomorrow"),
    "exp-infinite": sign(exp=float("inf")),
    "not-yet": sign(nbf=NOW + 600),
    "from-tomorrow": sign(iat=NOW + 600),
    "no-sub": sign(sub=None),
    "cut": sign()[:-10],
    "long": "a" * 8000,
    "dots": "." * 8000,
    "deep": unsigned({"alg": "RS256", "x": json.loads("[" * 900 + "]" * 900)}),
    "deeper": base64.urlsafe_b64encode(b"[" * 5000).decode() + ".a.b",
    "empty": "",
    "latin": "é.é.é",
}


@pytest.mark.parametrize("token", HOSTILE.values(), ids=HOSTILE)
async def test_a_hostile_token_is_nobodys(token):
    """Whatever its header says, the issuer's keys, audience and times decide."""
    assert await Issuer().authenticator().authenticate(token) is None


async def test_bad_tokens_are_not_a_fetch_each(monkeypatch):
    """Unknown keys make it ask once in a while, however many come; a new key counts after that."""
    now = [5000.0]
    monkeypatch.setattr(issuer_keys.time, "monotonic", lambda: now[0])
    issuer = Issuer()
    authenticator = issuer.authenticator()
    for number in range(100):
        assert await authenticator.authenticate(sign(kid=f"unknown-{number}")) is None
    assert issuer.asked == 1

    issuer.keys = {"keys": [jwk(OTHER_KEY, "r2")]}
    assert await authenticator.authenticate(sign(OTHER_KEY, kid="r2")) is None
    now[0] += 11
    assert await authenticator.authenticate(sign(OTHER_KEY, kid="r2"))
    assert await authenticator.authenticate(sign()) is None
    assert issuer.asked == 2


async def test_a_withdrawn_key_counts_for_an_hour_at_most(monkeypatch):
    """Keys that are known are fetched again in the background."""
    now = [5000.0]
    monkeypatch.setattr(issuer_keys.time, "monotonic", lambda: now[0])
    issuer = Issuer()
    authenticator = issuer.authenticator()
    assert await authenticator.authenticate(sign())
    issuer.keys = {"keys": [jwk(OTHER_KEY, "r2")]}
    now[0] += 3601
    assert await authenticator.authenticate(sign())
    await authenticator._keys._fetching.under_way
    assert await authenticator.authenticate(sign()) is None


async def test_an_issuer_that_is_away_takes_no_key_away(monkeypatch):
    """Before the first fetch nobody can tell whose a token is; afterwards the keys stay."""
    now = [5000.0]
    monkeypatch.setattr(issuer_keys.time, "monotonic", lambda: now[0])
    issuer = Issuer()
    issuer.is_away = True
    authenticator = issuer.authenticator()
    with pytest.raises(AccountsUnavailable, match=re.escape(ISSUER)):
        await authenticator.authenticate(sign())
    issuer.is_away = False
    now[0] += 11
    assert await authenticator.authenticate(sign())
    issuer.is_away = True
    now[0] += 7200
    assert await authenticator.authenticate(sign())
    await authenticator._keys._fetching.under_way
    assert await authenticator.authenticate(sign())


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"keys": 7},
        [],
        {"keys": []},
        {"keys": [None, 7, "a", {}, {"kty": "RSA"}, {"kty": "EC", "crv": "P-256"}]},
        {"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "r1", "alg": "HS256"}]},
        {"keys": [jwk(RSA_KEY, "r1", use="enc")]},
        {"keys": [jwk(RSA_KEY, "r1", alg="HS256")]},
        {"keys": [jwk(rsa.generate_private_key(65537, 1024), "r1")]},
        {"keys": [jwk(RSA_KEY, "r1", n="A" * 100_000)]},
        {"keys": [jwk(RSA_KEY, "r1", e="A" * 1000)]},
        {"keys": [jwk(ec.generate_private_key(ec.SECP384R1()), "r1")]},
        {"keys": [jwk(EC_KEY, "r1", x="AAAA")]},
        {"keys": [{}] * 1000 + [jwk(RSA_KEY, "r1")]},
        b"<html>",
        b"[" * 100_000,
        b'{"keys": "' + b"a" * 2**20 + b'"}',
    ],
)
async def test_a_key_set_without_a_usable_key_opens_nothing(keys):
    """Weak, symmetric, huge and broken keys are left out, and the server says it can't tell."""
    with pytest.raises(AccountsUnavailable):
        await Issuer(keys).authenticator().authenticate(sign())


def test_a_private_key_in_a_set_is_taken_for_its_public_part():
    """An issuer that publishes too much is no reason to sign with it."""
    private = RSAAlgorithm.to_jwk(RSA_KEY, as_dict=True) | {"kid": "r1"}

    assert isinstance(read_keys({"keys": [private]})["RS256", "r1"], rsa.RSAPublicKey)


@pytest.mark.parametrize(
    "description",
    [
        None,
        {"issuer": "https://evil.example.org", "jwks_uri": f"{ISSUER}/keys"},
        {"issuer": ISSUER},
        {"issuer": ISSUER, "jwks_uri": "file:///etc/keys"},
        {"issuer": ISSUER, "jwks_uri": "http://login.example.org/keys"},
    ],
)
def test_a_description_of_another_issuer_leads_nowhere(description):
    """The issuer's name in it must be the one of the settings, and TLS stays TLS."""
    with pytest.raises(IssuerInvalid):
        find_url(description, ISSUER, "jwks_uri")


def test_claims_are_found_by_name_or_by_a_way_into_them():
    """A name with dots is looked up as it is before it is taken for a way."""
    found = {"realm": {"groups": ["a"]}, "https://x.org/g": ["b"], "a.b": ["c"], "a": {"b": ["d"]}}

    assert find_claim(found, "realm.groups") == ["a"]
    assert find_claim(found, "https://x.org/g") == ["b"]
    assert find_claim(found, "a.b") == ["c"]
    assert find_claim(found, "realm.groups.more") is None
    assert find_claim(found, "") is None


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("a/b/c, d/e/f g/h/i", ["a/b/c", "d/e/f", "g/h/i"]),
        (["/a/b/c", 7, None, "a/b", "a/b/c/d", "a/b/ü"], ["a/b/c"]),
        ({"a/b/c": 1}, []),
        (None, []),
    ],
)
def test_instances_are_read_from_lists_and_texts(value, names):
    """A text that is no hub/group/project is another kind of group."""
    assert [one.name for one in read_instances(value)] == names


async def test_a_token_without_an_instance_is_refused_with_the_claims_name():
    """It is an account, and there is nothing that it may use."""
    with pytest.raises(InstanceRefused, match=r"alice.*'groups'"):
        await Issuer().authenticator().authenticate(sign(groups=["everybody"]))


async def test_its_identity_token_carries_the_refusal():
    """The official client gets a token and fails at its first request; it waits at no refusal."""
    authenticator = Issuer().authenticator()
    issued = await authenticator.issue(sign(groups=["everybody"]))
    with pytest.raises(InstanceRefused, match=r"alice.*'groups'"):
        await authenticator.authenticate(issued.text)


async def test_roles_come_from_their_claim_alone():
    """Nobody is an admin by a claim that was not named in the settings."""
    token = sign(roles=["admin", "owner"], realm={"roles": "viewer"})

    async def roles(**named):
        return (await Issuer().authenticator(**named).authenticate(token)).roles

    assert await roles() == {Role.USER}
    assert await roles(roles="roles") == {Role.ADMIN}
    assert await roles(roles="realm.roles") == {Role.VIEWER}
    # Where roles are asked for, who has none of ours may look alone.
    assert await roles(roles="nothing") == {Role.VIEWER}


async def test_an_identity_token_has_the_account_and_ends_with_its_token():
    """It needs no key of the issuer any more, and a wrong token gets one that opens nothing."""
    issuer = Issuer()
    authenticator = issuer.authenticator(roles="roles")
    token = sign(roles=["admin"], exp=int(time.time()) + 100)
    issued = await authenticator.issue(token)

    assert await authenticator.authenticate(issued.text) == await authenticator.authenticate(token)
    assert 90 <= issued.expires - time.time() <= 100
    wrong = await authenticator.issue(HOSTILE["other-key"])
    assert await authenticator.authenticate(wrong.text) is None


PROVIDER = """
import warnings
warnings.simplefilter("ignore")
from oidc_provider_mock import run_server_in_thread
with run_server_in_thread() as server:
    print(server.server_port, flush=True)
    input()
"""


@pytest.fixture(scope="module")
def provider():
    """The URL of an OpenID provider of its own."""
    command = [sys.executable, "-c", PROVIDER]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **pipes) as process:
        yield f"http://localhost:{int(process.stdout.readline())}"
        process.communicate(b"\n", timeout=20)


def log_in(provider, user, groups, client="runtime"):
    """Return the ID token of somebody who logs in at the provider, by the code flow."""
    redirect = "https://runtime.example.org/back"
    asked = {
        "client_id": client,
        "redirect_uri": redirect,
        "response_type": "code",
        "scope": "openid profile",
        "state": "s",
    }
    with httpx.Client(base_url=provider, trust_env=False, timeout=30) as http:
        http.put(f"/users/{user}", json={"preferred_username": user, "groups": groups})
        page = http.post("/oauth2/authorize", params=asked, data={"sub": user})
        code = parse_qs(urlsplit(page.headers["location"]).query)["code"][0]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect}
        login = {"client_id": client, "client_secret": "any"}
        return http.post("/oauth2/token", data=form | login).json()["id_token"]


def test_people_of_a_real_provider_have_their_jobs(tmp_path, provider):
    """Two people log in at a provider, and each sees the jobs of their own instance."""
    settings = {"RUNTIME_OIDC_ISSUER": provider, "RUNTIME_OIDC_AUDIENCE": "runtime"}
    with run_server(tmp_path, **settings) as server:

        def ask(token, method, path, **options):
            headers = {"Authorization": f"Bearer {token}"}
            return server.http.request(method, path, headers=headers, **options)

        alice = log_in(provider, "alice", ["chem/lab/vqe"])
        bob = log_in(provider, "bob", ["/bio/lab/main", "staff"])
        body = server.make_body("steps")
        job_id = ask(alice, "POST", "/jobs", json=body).json()["id"]
        assert ask(alice, "GET", f"/jobs/{job_id}").json()["project"] == "vqe"
        assert ask(bob, "GET", f"/jobs/{job_id}").status_code == 404

        form = {"grant_type": "urn:ibm:params:oauth:grant-type:apikey", "apikey": alice}
        issued = server.http.post("/identity/token", data=form).json()["access_token"]
        assert ask(issued, "GET", f"/jobs/{job_id}").status_code == 200
        assert ask(log_in(provider, "eve", ["x"]), "GET", "/jobs").status_code == 403
        other = log_in(provider, "alice", ["chem/lab/vqe"], client="another-app")
        assert ask(other, "GET", "/jobs").status_code == 401
        assert ask(sign(), "GET", "/jobs").status_code == 401
        log = server.log.read_text()
    assert "Traceback" not in log, log
