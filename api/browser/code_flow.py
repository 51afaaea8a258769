"""The authorization code flow of OpenID Connect, with PKCE: a person logs in at a provider.

What has to be known when the browser comes back is in a cookie of its own, signed: no replica has
to remember anything. The provider's ID token is then verified as any other of its tokens is.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import httpx
import jwt

from api.accounts.identity_tokens import IdentityTokens
from api.accounts.issuer_documents import (
    UNANSWERED,
    IssuerInvalid,
    SharedFetch,
    call,
    fetch_description,
    find_url,
)

LOGIN_SECONDS = 600
"""The time that a person has at the provider."""

PROVIDER_SECONDS = 10.0
"""The time for each answer of the provider."""

SCOPES = "openid profile email"


class LoginFailed(Exception):
    """The provider, or what came back from it, does not log the person in; the text says why."""


class ProviderUnavailable(Exception):
    """The provider does not answer; the text says so."""


@dataclass(frozen=True, slots=True)
class Client:
    """This server as the provider knows it; without a secret it is a public client."""

    issuer: str
    client_id: str
    secret: str = ""


@dataclass(frozen=True, slots=True)
class Begun:
    """A login that was begun: the provider's address for the browser, and the cookie's value."""

    url: str
    cookie: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A login that came back with an ID token, not verified yet but for the nonce."""

    id_token: str
    next_path: str


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The addresses of a provider: for the browser, and for this server."""

    authorization: str
    token: str


class CodeFlow:
    """Begins and ends logins at one provider."""

    def __init__(
        self, client: Client, tokens: IdentityTokens, http: httpx.AsyncClient | None = None
    ) -> None:
        self._client = client
        self._cookies = tokens.for_purpose("login at a provider")
        self._http = http or httpx.AsyncClient(timeout=PROVIDER_SECONDS)
        self._found: Endpoints | None = None
        self._failure = ""
        self._discovery = SharedFetch(self._discover)

    async def close(self) -> None:
        """Stop, and disconnect."""
        await self._discovery.close()
        await self._http.aclose()

    @property
    def name(self) -> str:
        """Return the provider's host, as a name for people."""
        return urlsplit(self._client.issuer).netloc

    async def begin(self, callback: str, next_path: str) -> Begun:
        """Begin a login that comes back to ``callback`` and then leads on to ``next_path``.

        Raises:
            ProviderUnavailable: it does not say where to log in.
        """
        endpoint = (await self._find_endpoints()).authorization
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        kept = {"state": state, "nonce": nonce, "verifier": verifier}
        kept |= {"callback": callback, "next": next_path}
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
        query = {
            "response_type": "code",
            "client_id": self._client.client_id,
            "redirect_uri": callback,
            "scope": SCOPES,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge.rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        url = f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(query)}"
        return Begun(url, self._cookies.sign(kept, LOGIN_SECONDS).text)

    def check_begun(self, cookie: str, answer: Mapping[str, str]) -> None:
        """See that an answer is to a login that this browser began: another page may send one.

        Raises:
            LoginFailed: it is not.
        """
        self._read_begun(cookie, answer)

    async def end(self, cookie: str, answer: Mapping[str, str]) -> Ended:
        """Exchange the code of the provider's answer, the query of the callback, for an ID token.

        Raises:
            LoginFailed: the answer is an error, or to no login that this browser began.
            ProviderUnavailable: it does not answer.
        """
        kept = self._read_begun(cookie, answer)
        if "code" not in answer:
            reason = answer.get("error", "no code")[:100]
            raise LoginFailed(f"{self.name} did not log you in: {reason}")
        id_token = await self._exchange(answer["code"], kept)
        if not hmac.compare_digest(kept["nonce"].encode(), _read_nonce(id_token).encode()):
            raise LoginFailed(f"the answer of {self.name} is to another login")
        return Ended(id_token, kept["next"])

    def _read_begun(self, cookie: str, answer: Mapping[str, str]) -> Mapping[str, str]:
        kept = self._cookies.read(cookie)
        if kept is None or not hmac.compare_digest(
            kept["state"].encode(), answer.get("state", "").encode()
        ):
            raise LoginFailed("this login was not begun in this browser, or too long ago")
        return kept

    async def _exchange(self, code: str, kept: Mapping[str, str]) -> str:
        endpoint = (await self._find_endpoints()).token
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": kept["callback"],
            "client_id": self._client.client_id,
            "code_verifier": kept["verifier"],
        }
        answer = await self._post(endpoint, form)
        if answer.is_server_error:
            raise ProviderUnavailable(self._silence)
        token = _read_object(answer).get("id_token")
        if not answer.is_success or not isinstance(token, str):
            reason = str(_read_object(answer).get("error", "it sent no id_token"))[:100]
            raise LoginFailed(f"{self.name} did not take the login's code: {reason}")
        return token

    async def _find_endpoints(self) -> Endpoints:
        """Return the provider's addresses: all ask once together, and seldom where it is away."""
        if self._found is None:
            await self._discovery.wait()
        if self._found is None:
            raise ProviderUnavailable(self._failure)
        return self._found

    async def _discover(self) -> None:
        issuer = self._client.issuer
        try:
            description = await fetch_description(self._http, issuer, PROVIDER_SECONDS)
            names = ("authorization_endpoint", "token_endpoint")
            self._found = Endpoints(*(find_url(description, issuer, name) for name in names))
        except (httpx.HTTPStatusError, ValueError, RecursionError) as error:
            reason = f": {error}" if isinstance(error, IssuerInvalid) else ""
            self._failure = f"{self.name} does not describe itself as {issuer}{reason}"
        except UNANSWERED:
            self._failure = self._silence

    @property
    def _silence(self) -> str:
        return f"{self.name} does not answer just now"

    async def _post(self, url: str, form: Mapping[str, str]) -> httpx.Response:
        auth = None
        if self._client.secret:
            # Both are form-encoded before they are joined, says RFC 6749.
            auth = (quote(self._client.client_id, ""), quote(self._client.secret, ""))
        try:
            return await call(self._http, "POST", url, PROVIDER_SECONDS, data=form, auth=auth)
        except (*UNANSWERED, IssuerInvalid):
            raise ProviderUnavailable(self._silence) from None


def _read_object(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        value = answer.json()
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _read_nonce(id_token: str) -> str:
    """Return the nonce of a token that is yet to be verified."""
    try:
        claims = jwt.decode(id_token, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        return ""
    return str(claims.get("nonce", ""))
