"""The interface of every way to authenticate: from a credential to an account.

``auth`` reads credentials from requests and asks; ``POST /identity/token`` and a browser's login
exchange a key for a token that is authenticated later in its place. The modes: ``open_door``
(``none``), ``keys`` (``token`` and ``accounts``), ``oidc``.
"""

from abc import ABC, abstractmethod

from api.accounts.caller import Caller
from api.accounts.identity_tokens import TOKEN_SECONDS, IdentityToken

MAX_CREDENTIAL_CHARACTERS = 8192
"""The longest credential that is looked at: an OpenID token with hundreds of groups."""


class AccountsUnavailable(Exception):
    """Nobody can be authenticated just now, as the issuer's keys can't be had; the text says it."""


class Authenticator(ABC):
    """Finds the account of a credential: a key, an identity token made of one, an OpenID token."""

    needs_credential: bool = True
    """Whether a request without a credential is refused."""

    async def open(self) -> None:  # noqa: B027  (few modes have anything to do)
        """Begin; whatever can't be is an error now rather than at the first request."""

    async def close(self) -> None:  # noqa: B027  (the same)
        """Stop."""

    @abstractmethod
    async def authenticate(self, credential: str) -> Caller | None:
        """Return the account of this credential, or None where there is none.

        Raises:
            AccountsUnavailable: nobody can tell just now.
            InstanceRefused: the account exists, and may use no instance.
        """

    @abstractmethod
    async def issue(self, key: str, seconds: int = TOKEN_SECONDS) -> IdentityToken:
        """Return an identity token in the key's place, which ends after so many seconds at most.

        A key that is nobody's gets one too, which is nobody's either: the official client waits
        for a minute where this is refused, and fails at once where its first request is.

        Raises:
            AccountsUnavailable: nobody can tell just now.
        """
