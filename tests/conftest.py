"""What all tests share."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """Async tests (marked ``anyio``) run on asyncio, as the server does."""
    return "asyncio"
