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

LOGIN_SECONDS = 600
"""The time that a person has at the provider."""

PROVIDER_SECONDS = 10.0
"""The time for each answer of the provider."""

SCOPES = "openid profile email"

DISCOVERY = "/.well-known/openid-configuration"
"""The path of a provider's description, after its URL."""


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


class CodeFlow:
    """Begins and ends logins at one provider."""

    def __init__(self, client: Client, tokens: IdentityTokens) -> None:
        self._client = client
        self._cookies = tokens.for_purpose("login at a provider")
        self._provider: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        """Return the provider's host, as a name for people."""
        return urlsplit(self._client.issuer).netloc

    async def begin(self, callback: str, next_path: str) -> Begun:
        """Begin a login that comes back to ``callback`` and then leads on to ``next_path``.

        Raises:
            ProviderUnavailable: it does not say where to log in.
        """
        provider = await self._discover()
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
        endpoint = provider["authorization_endpoint"]
        url = f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(query)}"
        return Begun(url, self._cookies.sign(kept, LOGIN_SECONDS).text)

    async def end(self, cookie: str, answer: Mapping[str, str]) -> Ended:
        """Exchange the code of the provider's answer, the query of the callback, for an ID token.

        Raises:
            LoginFailed: the answer is an error, or to no login that this browser began.
            ProviderUnavailable: it does not answer.
        """
        kept = self._cookies.read(cookie)
        if kept is None or not hmac.compare_digest(
            kept["state"].encode(), answer.get("state", "").encode()
        ):
            raise LoginFailed("this login was not begun in this browser, or too long ago")
        if "code" not in answer:
            reason = answer.get("error", "no code")[:100]
            raise LoginFailed(f"{self.name} did not log you in: {reason}")
        id_token = await self._exchange(answer["code"], kept)
        if not hmac.compare_digest(kept["nonce"].encode(), _read_nonce(id_token).encode()):
            raise LoginFailed(f"the answer of {self.name} is to another login")
        return Ended(id_token, kept["next"])

    async def _exchange(self, code: str, kept: Mapping[str, str]) -> str:
        provider = await self._discover()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": kept["callback"],
            "client_id": self._client.client_id,
            "code_verifier": kept["verifier"],
        }
        answer = await self._call("POST", provider["token_endpoint"], form)
        if answer.is_server_error:
            raise ProviderUnavailable(f"{self.name} does not answer just now")
        token = _read_object(answer).get("id_token")
        if not answer.is_success or not isinstance(token, str):
            reason = str(_read_object(answer).get("error", "it sent no id_token"))[:100]
            raise LoginFailed(f"{self.name} did not take the login's code: {reason}")
        return token

    async def _discover(self) -> Mapping[str, Any]:
        """Return the provider's description; it is asked once."""
        if self._provider is None:
            issuer = self._client.issuer
            found = await self._call(
                "GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration"
            )
            provider = _read_object(found)
            names = ("authorization_endpoint", "token_endpoint")
            if provider.get("issuer") != issuer or not all(provider.get(name) for name in names):
                raise ProviderUnavailable(f"{self.name} does not describe itself as {issuer}")
            self._provider = provider
        return self._provider

    async def _call(
        self, method: str, url: str, form: Mapping[str, str] | None = None
    ) -> httpx.Response:
        auth = None
        if form and self._client.secret:
            # Both are form-encoded before they are joined, says RFC 6749.
            auth = (quote(self._client.client_id, ""), quote(self._client.secret, ""))
        try:
            async with httpx.AsyncClient(timeout=PROVIDER_SECONDS) as http:
                return await http.request(method, url, data=form, auth=auth)
        except httpx.HTTPError:
            raise ProviderUnavailable(f"{self.name} does not answer just now") from None


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
