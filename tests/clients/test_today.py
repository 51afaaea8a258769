"""Today's official client, from PyPI, against a server in local mode."""

import pytest

from tests.clients.matrix import make_cases

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize(("client", "check"), make_cases("today", "0.51.0", "0.50.0", "0.49.0"))
def test_today(client, check, matrix, local):
    """Each call of the client's users works as IBM documents it."""
    matrix.assert_ok(local, client, "today", check)
