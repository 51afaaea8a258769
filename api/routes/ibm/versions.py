"""The version of the REST API that a client speaks, by its header ``IBM-API-Version``.

The official client sends a date since 0.35. A newer date than any that is known here is taken:
what such a client sends is checked field by field, as what all others send.
"""

from datetime import date

from fastapi import Request

from api.bodies import QISKIT_CLIENT
from api.errors import InvalidField

HEADER = "IBM-API-Version"
"""The header's name."""

BACKENDS_AS_OBJECTS = date(2025, 5, 1)
"""The version from which on GET /backends answers with objects; before it, with names alone."""


def reads_reason_codes(request: Request) -> bool:
    """Return whether the client knows a reason by its code; IBM's own before 0.35 compare words."""
    return QISKIT_CLIENT not in request.headers or api_version(request) is not None


def api_version(request: Request) -> date | None:
    """Return the version that a request is written for; None where it names none.

    Raises:
        InvalidField: the header is no date.
    """
    given = request.headers.get(HEADER)
    if given is None:
        return None
    try:
        return date.fromisoformat(given)
    except ValueError:
        message = f"{HEADER}: {given[:40]!r} is no date, as 2026-04-15 is"
        raise InvalidField(("header", HEADER), message) from None
