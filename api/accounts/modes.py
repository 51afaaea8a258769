"""The authenticator that settings ask for."""

from api.accounts.accounts_file import AccountsFile
from api.accounts.authenticator import Authenticator
from api.accounts.identity_tokens import IdentityTokens, make_secret
from api.accounts.keys import KeyAuthenticator, OneKey
from api.accounts.open_door import OpenDoor
from api.settings import ApiSettings


def make_identity_tokens(settings: ApiSettings) -> IdentityTokens:
    """Return the tokens of this server, and of the others that have its settings."""
    secret, token = settings.identity_secret, settings.token
    return IdentityTokens(make_secret(secret.get_secret_value(), token.get_secret_value()))


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
