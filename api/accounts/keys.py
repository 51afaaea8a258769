"""The modes ``token`` and ``accounts``: keys that are known by their hashes.

A credential is a key, or an identity token that carries the sealed hash of one. Hashes are compared
with all that are known, each in constant time: how long it takes tells nothing.
"""

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from api.accounts.authenticator import Authenticator
from api.accounts.caller import Caller
from api.accounts.identity_tokens import TOKEN_SECONDS, IdentityToken, IdentityTokens

_HASH = "key"
"""The claim of an identity token that has the key's hash, sealed."""


@dataclass(frozen=True, slots=True)
class KnownKey:
    """The SHA-256 of a key, and whose it is."""

    digest: bytes
    caller: Caller


def hash_key(key: str) -> bytes:
    """Return a key's SHA-256."""
    return hashlib.sha256(key.encode(errors="replace")).digest()


def find_caller(known: Sequence[KnownKey], digest: bytes) -> Caller | None:
    """Return whose the key of this hash is. All are compared, also after one was found."""
    found = None
    for one in known:
        if hmac.compare_digest(one.digest, digest):
            found = one.caller
    return found


class KeyAuthenticator(Authenticator):
    """Knows the keys that ``load`` returns, asked at every credential."""

    def __init__(
        self, load: Callable[[], Awaitable[Sequence[KnownKey]]], tokens: IdentityTokens
    ) -> None:
        self._load, self._tokens = load, tokens

    async def open(self) -> None:
        await self._load()

    async def authenticate(self, credential: str) -> Caller | None:
        claims = self._tokens.read(credential)
        if claims is None:
            digest = hash_key(credential)
        else:
            digest = self._tokens.unseal(claims.get(_HASH, "")) or b""
        return find_caller(await self._load(), digest)

    async def issue(self, key: str, seconds: int = TOKEN_SECONDS) -> IdentityToken:
        return self._tokens.sign({_HASH: self._tokens.seal(hash_key(key))}, seconds)


class OneKey:
    """The known keys of mode ``token``: one, and its holder is the only tenant."""

    def __init__(self, token: str) -> None:
        self._known = (KnownKey(hash_key(token), Caller(secret=token)),)

    async def load(self) -> Sequence[KnownKey]:
        """Return the one key."""
        return self._known
