"""The event loop of all tests of stores: one for the session, so that they can share stores."""

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async fixtures of a session's or a module's scope need it to be as wide as they are."""
    return "asyncio"
