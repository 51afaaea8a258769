"""What all tests of stores share: one event loop for the session, so that stores can be shared."""

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async fixtures of a session's or a module's scope need it to be as wide as they are."""
    return "asyncio"
