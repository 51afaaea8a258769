"""Today's official client, from PyPI, against a server in local mode."""

import pytest

from tests.clients.environments import NEWEST
from tests.clients.matrix import list_checks, make_cases

pytestmark = pytest.mark.timeout(1260)


@pytest.mark.parametrize(("client", "check"), make_cases("today", "0.51.0", "0.50.0", "0.49.0"))
def test_today(client, check, matrix, local):
    """A call of the client works as IBM documents it."""
    matrix.assert_ok(local, client, "today", check)


@pytest.mark.parametrize("check", list_checks("workloads.py"))
def test_workloads(check, matrix, local):
    """The server carries what its users bring."""
    matrix.assert_ok(local, NEWEST, "workloads.py", check)


@pytest.mark.parametrize("check", list_checks("mcp_server.py"))
def test_third_party(check, matrix, local):
    """A program of others over the official client works by the same variables."""
    matrix.assert_ok(local, "mcp", "mcp_server.py", check)
