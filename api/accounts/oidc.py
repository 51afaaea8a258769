"""The mode ``oidc``: tokens of an OpenID Connect issuer, checked by its public keys.

Who somebody is and which instances are theirs is in the token's claims, which the issuer signs. An
identity token carries the same, signed by this server, and ends with the token it was made of.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from api.accounts.authenticator import Authenticator
from api.accounts.caller import Caller, InstanceRefused, Role
from api.accounts.identity_tokens import TOKEN_SECONDS, IdentityToken, IdentityTokens
from api.accounts.issuer_keys import IssuerKeys
from qiskit_runtime.contract.resources.instance import Instance, NotAnInstance, parse_instance

ALGORITHMS = ("RS256", "ES256")
"""The signatures that are accepted: those with a public key alone."""

LEEWAY_SECONDS = 30
"""The most that the issuer's clock and this one may differ."""

MAX_INSTANCES = 1000

_CALLER = "caller"
"""The claim of an identity token that has the account."""

_REFUSED = "refused"
"""The claim of an identity token of an account without an instance: it has the words for it."""

_REQUIRED = ["exp", "iat", "iss", "aud", "sub"]

_UNREADABLE = (jwt.PyJWTError, ValueError, TypeError, RecursionError, OverflowError)
"""The errors of a token that nobody signed, in any of its parts."""


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims to read: the audiences that a token may be for, and where the account is."""

    issuer: str
    audience: tuple[str, ...]
    instances: str = "groups"
    roles: str = ""


class OidcAuthenticator(Authenticator):
    """Checks the tokens of one issuer, and its own that were made of them."""

    def __init__(self, claims: Claims, keys: IssuerKeys, tokens: IdentityTokens) -> None:
        self._claims, self._keys, self._tokens = claims, keys, tokens

    async def close(self) -> None:
        await self._keys.close()

    async def authenticate(self, credential: str) -> Caller | None:
        own = self._tokens.read(credential)
        if own is not None:
            if _REFUSED in own:
                raise InstanceRefused(own[_REFUSED])
            return _load_caller(own[_CALLER]) if _CALLER in own else None
        verified = await self._verify(credential)
        return None if verified is None else read_caller(verified, self._claims)

    async def issue(self, key: str, seconds: int = TOKEN_SECONDS) -> IdentityToken:
        verified = await self._verify(key)
        if verified is None:
            return self._tokens.sign({}, seconds)
        try:
            caller = read_caller(verified, self._claims)
        except InstanceRefused as refused:
            return self._tokens.sign({_REFUSED: str(refused)}, seconds)
        left = int(verified["exp"] - time.time())
        return self.open_session(caller, max(1, min(seconds, left)))

    def open_session(self, caller: Caller, seconds: int) -> IdentityToken:
        """Return an identity token of an account that was authenticated just now."""
        return self._tokens.sign({_CALLER: _dump_caller(caller)}, seconds)

    async def _verify(self, token: str) -> dict[str, Any] | None:
        """Return the claims of a token that the issuer signed for us and that is valid now."""
        if token.count(".") != 2:
            return None
        try:
            header = jwt.get_unverified_header(token)
        except _UNREADABLE:
            return None
        algorithm, key_id = header.get("alg"), header.get("kid", "")
        # The header is not to be trusted: it chooses among the issuer's keys, each of which is
        # for one algorithm.
        if algorithm not in ALGORITHMS or not isinstance(key_id, str):
            return None
        key = await self._keys.find(algorithm, key_id)
        return None if key is None else verify(token, key, algorithm, self._claims)


def verify(token: str, key: Any, algorithm: str, wanted: Claims) -> dict[str, Any] | None:
    """Return the claims of a token with this key's signature, or None. Pure but for the clock."""
    try:
        verified: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=list(wanted.audience),
            issuer=wanted.issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": _REQUIRED},
        )
    except _UNREADABLE:
        return None
    return verified


def read_caller(claims: Mapping[str, Any], wanted: Claims) -> Caller:
    """Return the account that claims describe. Pure.

    Raises:
        InstanceRefused: they name no instance.
    """
    name = next(
        (str(claims[key]) for key in ("preferred_username", "email", "sub") if claims.get(key)), ""
    )
    instances = tuple(read_instances(find_claim(claims, wanted.instances)))
    if not instances:
        raise InstanceRefused(
            f"the token of {name[:100]!r} names no instance: its claim {wanted.instances!r} lists"
            " none of the form hub/group/project"
        )
    known = set(Role)
    given = {one for one in _texts(find_claim(claims, wanted.roles)) if one in known}
    # Where roles are looked for, who has none that is known here may look alone.
    least = Role.VIEWER if wanted.roles else Role.USER
    roles = frozenset(map(Role, given)) or frozenset({least})
    return Caller(name[:128], instances, secret=f"{wanted.issuer}#{claims['sub']}", roles=roles)


def find_claim(claims: Mapping[str, Any], name: str) -> Any:
    """Return the claim of this name; where there is none, a dot in it leads into a claim."""
    if not name or name in claims:
        return claims.get(name)
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def read_instances(value: Any) -> list[Instance]:
    """Return the instances that a claim lists, each once; other groups are left out."""
    return list(dict.fromkeys(_parse_all(_texts(value))))[:MAX_INSTANCES]


def _parse_all(names: Iterable[str]) -> Iterator[Instance]:
    for name in names:
        try:
            # Keycloak writes a group's path with a slash before it.
            yield parse_instance(name.removeprefix("/"))
        except NotAnInstance:
            continue


def _texts(value: Any) -> list[str]:
    """Return the texts of a claim: a list, or one text with blanks or commas between."""
    if isinstance(value, str):
        return value.replace(",", " ").split()
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _dump_caller(caller: Caller) -> dict[str, Any]:
    return {
        "name": caller.name,
        "instances": [instance.name for instance in caller.instances or ()],
        "secret": caller.secret,
        "roles": sorted(caller.roles),
    }


def _load_caller(fields: Mapping[str, Any]) -> Caller:
    instances = tuple(map(parse_instance, fields["instances"]))
    roles = frozenset(map(Role, fields["roles"]))
    return Caller(fields["name"], instances, fields["secret"], roles=roles)
