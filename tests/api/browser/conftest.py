"""An OpenID provider for the tests of logins."""

from collections.abc import Iterator

import pytest

from tests.api.browser.provider import ProviderUnderTest, run_provider


@pytest.fixture(scope="session")
def provider() -> Iterator[ProviderUnderTest]:
    """A provider with two people."""
    with run_provider() as running:
        yield running
