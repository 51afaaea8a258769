"""The public keys of an OpenID issuer: found by its discovery document, and kept.

They are fetched again every hour, and when a token names a key that is not known, but however many
such tokens come, not more often than every ten seconds. An issuer that does not answer takes no
key away.
"""

import logging
import time
from collections.abc import Mapping
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from api.accounts.authenticator import AccountsUnavailable
from api.accounts.issuer_documents import (
    UNANSWERED,
    IssuerInvalid,
    SharedFetch,
    call,
    fetch_description,
    find_url,
)

KEEP_SECONDS = 3600.0
"""The age at which keys are fetched again: so long a key that was withdrawn is accepted."""

CALL_SECONDS = 5.0
"""The time for each answer of the issuer."""

MAX_KEYS = 100
MIN_RSA_BITS, MAX_RSA_BITS = 2048, 8192
"""A smaller key can be broken; a larger one takes long to check with, and nobody has one."""

PublicKey = RSAPublicKey | EllipticCurvePublicKey

KeyName = tuple[str, str]
"""The algorithm of a key, and its id, which may be empty."""

logger = logging.getLogger(__name__)


class IssuerKeys:
    """The keys of one issuer."""

    def __init__(self, issuer: str, http: httpx.AsyncClient | None = None) -> None:
        self._issuer = issuer
        self._http = http or httpx.AsyncClient(timeout=CALL_SECONDS)
        self._keys: Mapping[KeyName, PublicKey] = {}
        self._fetching = SharedFetch(self._fetch)
        self._fetched = -KEEP_SECONDS

    async def close(self) -> None:
        """Stop, and disconnect."""
        await self._fetching.close()
        await self._http.aclose()

    async def find(self, algorithm: str, key_id: str) -> PublicKey | None:
        """Return the key of this id for this algorithm, or None where the issuer has none.

        Raises:
            AccountsUnavailable: no keys could be fetched yet.
        """
        key = self._pick(algorithm, key_id)
        if key is None:
            await self._fetching.wait()
            key = self._pick(algorithm, key_id)
        else:
            self._fetching.begin(is_due=time.monotonic() - self._fetched > KEEP_SECONDS)
        if not self._keys:
            raise AccountsUnavailable(f"the keys of {self._issuer} can't be fetched; try again")
        return key

    def _pick(self, algorithm: str, key_id: str) -> PublicKey | None:
        if key_id:
            return self._keys.get((algorithm, key_id))
        # A token may leave the id out where there is one key.
        fitting = [key for (kind, _), key in self._keys.items() if kind == algorithm]
        return fitting[0] if len(fitting) == 1 else None

    async def _fetch(self) -> None:
        try:
            description = await fetch_description(self._http, self._issuer, CALL_SECONDS)
            url = find_url(description, self._issuer, "jwks_uri")
            answer = await call(self._http, "GET", url, CALL_SECONDS)
            keys = read_keys(answer.raise_for_status().json())
        except (*UNANSWERED, ValueError, RecursionError) as error:
            logger.warning("the keys of %s stay what they were: %r", self._issuer, error)
            return
        self._keys, self._fetched = keys, time.monotonic()


def read_keys(document: Any) -> dict[KeyName, PublicKey]:
    """Return the keys of a JSON Web Key Set that tokens may be signed with. Pure.

    Others are left out, above all symmetric ones: a public key must never be taken for one.

    Raises:
        IssuerInvalid: it is no key set, or no key in it can be used.
    """
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise IssuerInvalid("the key set has no keys")
    keys: dict[KeyName, PublicKey] = {}
    for one in listed[:MAX_KEYS]:
        if isinstance(one, dict) and (found := _read_key(one)):
            name, key = found
            keys.setdefault(name, key)
    if not keys:
        raise IssuerInvalid("the key set has no key for RS256 or ES256")
    return keys


def _read_key(fields: dict[str, Any]) -> tuple[KeyName, PublicKey] | None:
    algorithm = {"RSA": "RS256", "EC": "ES256"}.get(str(fields.get("kty")))
    wrong_use = fields.get("use", "sig") != "sig"
    if algorithm is None or wrong_use or fields.get("alg", algorithm) != algorithm:
        return None
    try:
        key = _load_rsa(fields) if algorithm == "RS256" else _load_ec(fields)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, OverflowError):
        return None
    return ((algorithm, str(fields.get("kid", ""))), key) if key else None


def _load_rsa(fields: dict[str, Any]) -> RSAPublicKey | None:
    # Before it is read: six bits a character.
    if len(str(fields.get("n"))) > MAX_RSA_BITS // 6 + 4 or len(str(fields.get("e"))) > 8:
        return None
    loaded = RSAAlgorithm.from_jwk(fields)
    key = loaded.public_key() if isinstance(loaded, RSAPrivateKey) else loaded
    return key if MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS else None


def _load_ec(fields: dict[str, Any]) -> EllipticCurvePublicKey | None:
    loaded = ECAlgorithm.from_jwk(fields)
    key = loaded.public_key() if isinstance(loaded, EllipticCurvePrivateKey) else loaded
    is_p256 = isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1)
    return key if is_p256 else None
