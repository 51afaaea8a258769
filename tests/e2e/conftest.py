"""The installed chart for the tests here."""

from collections.abc import Iterator

import pytest

from tests.cluster.installed import Installed, open_installed
from tests.cluster.target import require_cluster


@pytest.fixture(scope="session")
def installed() -> Iterator[Installed]:
    """The release; without one the test is skipped, or fails with REQUIRE_CLUSTER=1."""
    with open_installed(require_cluster()) as installed:
        yield installed
