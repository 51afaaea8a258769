"""The sessions of browsers: what a cookie holds, and for whom it stands.

A session is an identity token in another form, signed by a secret of its own: a cookie's value is
no credential in a header, and the reverse. It ends after ``SESSION_SECONDS``, when its account is
removed or gets another key, and by logging out.
"""

import base64
import json
import secrets
import time
import zlib
from dataclasses import dataclass
from typing import Any

from api.accounts.authenticator import Authenticator
from api.accounts.caller import Caller
from api.accounts.identity_tokens import IdentityToken, IdentityTokens
from api.browser.ended_sessions import EndedSessions

SESSION_SECONDS = 12 * 3600
"""The life of a session: a long working day."""

MAX_COOKIE_CHARACTERS = 3900
"""The longest value: browsers drop a cookie of more than 4,096 bytes with its name, silently."""

_ACCOUNT, _ID = "account", "jti"


class AccountTooLarge(Exception):
    """The account has more instances than a cookie can hold."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session that goes on: the account that it stands for, and its number."""

    caller: Caller
    number: str


class Sessions:
    """Opens, finds and ends the sessions of one server; other replicas find them too."""

    def __init__(
        self, authenticator: Authenticator, tokens: IdentityTokens, ended: EndedSessions
    ) -> None:
        self._authenticator, self._tokens, self._ended = authenticator, tokens, ended
        self._cookies = tokens.for_purpose("session of a browser")

    async def close(self) -> None:
        """Disconnect from other servers."""
        await self._ended.close()

    async def open(self, credential: str) -> str | None:
        """Return the cookie's value of a new session; None where the credential is nobody's.

        An identity token, which ends soon, is no credential here: none can be made of it.

        Raises:
            AccountTooLarge: no browser would keep it.
            AccountsUnavailable, InstanceRefused: as ``Authenticator`` says.
        """
        value = self.wrap(await self._authenticator.issue(credential, SESSION_SECONDS))
        return None if await self.find(value) is None else value

    def wrap(self, token: IdentityToken) -> str:
        """Return the cookie's value of a session for the account of an identity token.

        Raises:
            AccountTooLarge: no browser would keep it.
        """
        claims = {_ACCOUNT: _pack(self._tokens.read(token.text)), _ID: secrets.token_urlsafe(16)}
        value = self._cookies.sign(claims, token.expires - int(time.time())).text
        if len(value) > MAX_COOKIE_CHARACTERS:
            raise AccountTooLarge
        return value

    async def find(self, value: str) -> Session | None:
        """Return the session of a cookie's value, if it goes on.

        Raises:
            AccountsUnavailable, InstanceRefused: as ``Authenticator`` says.
        """
        claims = self._cookies.read(value) if value else None
        if claims is None or await self._ended.has(claims[_ID]):
            return None
        token = self._tokens.sign(_unpack(claims[_ACCOUNT]), 60)
        caller = await self._authenticator.authenticate(token.text)
        return None if caller is None else Session(caller, claims[_ID])

    async def end(self, session: Session) -> None:
        """End a session: its cookie is nobody's from now on."""
        await self._ended.add(session.number)


def _pack(claims: Any) -> str:
    """Return an account's claims in little space: an issuer may list hundreds of instances."""
    return base64.b85encode(zlib.compress(json.dumps(claims).encode(), 9)).decode()


def _unpack(text: str) -> dict[str, Any]:
    claims: dict[str, Any] = json.loads(zlib.decompress(base64.b85decode(text)))
    return claims
