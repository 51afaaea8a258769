"""The browser login that settings ask for."""

from api.accounts.authenticator import Authenticator
from api.accounts.identity_tokens import IdentityTokens
from api.browser.code_flow import Client, CodeFlow
from api.browser.ended_sessions import EndedSessions, SharedEndedSessions
from api.browser.login import BrowserLogin, Provider
from api.browser.sessions import SESSION_SECONDS, Sessions
from api.settings import ApiSettings


def make_browser_login(
    settings: ApiSettings, authenticator: Authenticator, tokens: IdentityTokens
) -> BrowserLogin:
    """Return the login; at the issuer's too, in mode ``oidc`` with the id of a client there."""
    sessions = Sessions(authenticator, tokens, _make_ended(settings))
    return BrowserLogin(authenticator, sessions, _make_provider(settings, authenticator, tokens))


def _make_ended(settings: ApiSettings) -> EndedSessions:
    """Return the ended sessions: those of all replicas, on Kubernetes."""
    if settings.namespace:
        return SharedEndedSessions(SESSION_SECONDS, settings.redis_url.get_secret_value())
    return EndedSessions(SESSION_SECONDS)


def _make_provider(
    settings: ApiSettings, authenticator: Authenticator, tokens: IdentityTokens
) -> Provider | None:
    if settings.auth_mode != "oidc" or not settings.oidc_client_id:
        return None
    # Other modes need no cryptography of public keys.
    from api.accounts.oidc import OidcAuthenticator

    assert isinstance(authenticator, OidcAuthenticator), "the mode says so"
    client = Client(
        settings.oidc_issuer,
        settings.oidc_client_id,
        settings.oidc_client_secret.get_secret_value(),
    )
    return Provider(CodeFlow(client, tokens), authenticator.open_session)
