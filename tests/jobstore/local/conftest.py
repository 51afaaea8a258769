"""The processes that a test of local mode is not about."""

import pytest

from tests.jobstore.processes import children


@pytest.fixture
def others() -> list[int]:
    """The processes below this one before the test: those of other tests' fixtures."""
    return children()
