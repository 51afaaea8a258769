"""The authenticator that settings ask for."""

import logging
import os
import secrets
from contextlib import suppress
from pathlib import Path

from api.accounts.accounts_file import AccountsFile
from api.accounts.authenticator import Authenticator
from api.accounts.identity_tokens import IdentityTokens, make_secret
from api.accounts.keys import KeyAuthenticator, OneKey
from api.accounts.open_door import OpenDoor
from api.settings import ApiSettings

logger = logging.getLogger(__name__)

SIGNING_FILE = "identity-secret"
"""The file of the data folder that has the secret of tokens: they outlive a restart by it."""


def make_identity_tokens(settings: ApiSettings) -> IdentityTokens:
    """Return the tokens of this server, and of the others that have its settings."""
    secret, token = settings.identity_secret.get_secret_value(), settings.token.get_secret_value()
    if settings.has_accounts and not settings.namespace and not secret:
        secret = _keep_secret(settings.data)
    return IdentityTokens(make_secret(secret, token))


def _keep_secret(folder: Path) -> str:
    """Return the secret of a data folder, made where there is none; empty where it can't be kept.

    Two servers never share a folder, and programs of local mode may read what their user may.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with os.fdopen(os.open(folder / SIGNING_FILE, flags, 0o600), "w") as file:
                file.write(secrets.token_hex(32))
        return (folder / SIGNING_FILE).read_text()
    except OSError as error:
        logger.warning("identity tokens end with this server: %s", error)
        return ""


def make_authenticator(settings: ApiSettings, tokens: IdentityTokens) -> Authenticator:
    """Return the authenticator of the settings' mode."""
    match settings.auth_mode:
        case "oidc":
            return _make_oidc(settings, tokens)
        case "accounts":
            assert settings.accounts is not None, "the settings were checked"
            return KeyAuthenticator(AccountsFile(settings.accounts).load, tokens)
        case "token":
            return KeyAuthenticator(OneKey(settings.token.get_secret_value()).load, tokens)
        case "none":
            return OpenDoor(tokens)


def _make_oidc(settings: ApiSettings, tokens: IdentityTokens) -> Authenticator:
    # Other modes need neither its keys' cryptography nor an HTTP client.
    from api.accounts.issuer_keys import IssuerKeys
    from api.accounts.oidc import Claims, OidcAuthenticator

    claims = Claims(
        settings.oidc_issuer,
        (*settings.oidc_audience, *filter(None, [settings.oidc_client_id])),
        settings.oidc_instances_claim,
        settings.oidc_roles_claim,
    )
    return OidcAuthenticator(claims, IssuerKeys(settings.oidc_issuer), tokens)
