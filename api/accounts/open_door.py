"""The mode ``none``: everybody whom ``auth`` lets in is the one tenant, whatever they present."""

from api.accounts.authenticator import Authenticator
from api.accounts.caller import ANYBODY, Caller
from api.accounts.identity_tokens import TOKEN_SECONDS, IdentityToken, IdentityTokens


class OpenDoor(Authenticator):
    """Asks for no credential, and issues tokens to clients that can't do without one."""

    needs_credential = False

    def __init__(self, tokens: IdentityTokens) -> None:
        self._tokens = tokens

    async def authenticate(self, credential: str) -> Caller:  # noqa: ARG002  (any will do)
        return ANYBODY

    async def issue(
        self,
        key: str,  # noqa: ARG002  (the same)
        seconds: int = TOKEN_SECONDS,
    ) -> IdentityToken:
        return self._tokens.sign({}, seconds)
