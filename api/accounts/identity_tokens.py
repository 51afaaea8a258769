"""Identity tokens: JWTs that this server signs and reads, in the place of a key.

The payload says what is needed to find the account again, such as the key's hash, and never the
key. So a key that is withdrawn takes its tokens with it.
"""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.fernet import Fernet, InvalidToken

TOKEN_SECONDS = 3600
"""The life of a token, as that of the hosted service: clients get a new one before its end."""

_ISSUER = "qiskit-runtime"
_ALGORITHM = "HS256"
_SALT = b"qiskit-runtime identity tokens"
_SCRYPT_COST = 2**14


@dataclass(frozen=True, slots=True)
class IdentityToken:
    """A token, and the seconds since 1970 when it was made and when it ends."""

    text: str
    issued: int
    expires: int


class IdentityTokens:
    """Signs and reads the tokens of one secret."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def seal(self, value: bytes) -> str:
        """Return the claim that hides a value, such as a key's hash, from a token's readers."""
        return self._make_seal().encrypt(value).decode()

    def unseal(self, claim: str) -> bytes | None:
        """Return the value of a claim that ``seal`` made; None of any other."""
        try:
            return self._make_seal().decrypt(claim.encode())
        except (InvalidToken, ValueError):
            return None

    def _make_seal(self) -> Fernet:
        key = hmac.digest(self._secret, b"seal", hashlib.sha256)
        return Fernet(base64.urlsafe_b64encode(key))

    def for_purpose(self, purpose: str) -> "IdentityTokens":
        """Return tokens of a secret that follows from this one: neither reads the other's."""
        return IdentityTokens(hmac.digest(self._secret, purpose.encode(), hashlib.sha256))

    def sign(self, claims: Mapping[str, Any], seconds: int) -> IdentityToken:
        """Return a token that carries these claims for so many seconds."""
        now = int(time.time())
        payload = {**claims, "iss": _ISSUER, "iat": now, "exp": now + seconds}
        return IdentityToken(jwt.encode(payload, self._secret, _ALGORITHM), now, now + seconds)

    def read(self, text: str) -> dict[str, Any] | None:
        """Return the claims of a token; None where it is none of ours, was changed or has ended."""
        if text.count(".") != 2:
            return None
        try:
            claims: dict[str, Any] = jwt.decode(
                text,
                self._secret,
                algorithms=[_ALGORITHM],
                issuer=_ISSUER,
                options={"require": ["iat", "exp", "iss"]},
            )
        except jwt.InvalidTokenError:
            return None
        return claims


def make_secret(*parts: str) -> bytes:
    """Return the secret that follows from a setting, the same in every replica; else a random one.

    The first part that is not empty is taken. Everybody can have a token signed, and try secrets
    against it without this server: so each try costs 16 MiB and tens of milliseconds (scrypt).
    """
    setting = next((part for part in parts if part), "")
    if not setting:
        return secrets.token_bytes(32)
    return hashlib.scrypt(setting.encode(), salt=_SALT, n=_SCRYPT_COST, r=8, p=1, dklen=32)
