"""The cookies of a login: their names, their attributes, and how a request carries them.

Secure, and with the prefix ``__Host-``, where the browser reaches this server over TLS: no other
host can set such a cookie. TLS ends at a proxy as a rule, so what the proxy and the browser say of
it is believed: a lie only makes a cookie stricter.
"""

from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import Response
from starlette.types import Scope

from api.browser.same_origin import split_host

SESSION, LOGIN = "session", "login"
"""The cookies: of one who is logged in, and of one who is at the provider to log in."""

_SECURE = ("https", "wss")


def is_secure(scope: Scope, headers: Headers) -> bool:
    """Return whether the browser reaches this server over TLS."""
    forwarded = headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
    origin = headers.get("origin", "").partition(":")[0]
    return not {scope.get("scheme"), forwarded, origin}.isdisjoint(_SECURE)


@dataclass(frozen=True, slots=True)
class Cookie:
    """One of this server's cookies, as the request at hand would carry it.

    Cookies know no ports, so the name has the server's: two servers on one machine keep apart.
    """

    kind: str
    port: int | None
    secure: bool

    @classmethod
    def of(cls, kind: str, scope: Scope) -> "Cookie":
        """Return the cookie of this kind for the server that a request calls."""
        headers = Headers(scope=scope)
        _, port = split_host(headers.get("host", ""))
        return cls(kind, port, is_secure(scope, headers))

    @property
    def name(self) -> str:
        """Return its name."""
        return self._secure_name if self.secure else self._plain_name

    @property
    def _secure_name(self) -> str:
        return f"__Host-{self._plain_name}"

    @property
    def _plain_name(self) -> str:
        return f"qiskit-runtime-{self.kind}{f'-{self.port}' if self.port else ''}"

    def read(self, scope: Scope) -> str:
        """Return its value in a request, empty where there is none.

        The secure one is taken also where no proxy says that there is TLS: no other could set it.
        """
        cookies = cookie_parser(Headers(scope=scope).get("cookie", ""))
        return cookies.get(self._secure_name) or cookies.get(self.name, "")

    def set(self, response: Response, value: str, seconds: int) -> None:
        """Have the browser keep it for so long; 0 deletes it.

        That of a login is sent along when the provider leads back here, which is another site.
        """
        response.set_cookie(
            self.name,
            value,
            max_age=seconds,
            path="/",
            secure=self.secure,
            httponly=True,
            samesite="lax" if self.kind == LOGIN else "strict",
        )
