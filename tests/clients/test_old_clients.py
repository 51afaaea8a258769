"""The official clients of 2023 and 2021, from PyPI, against a server in local mode with TLS."""

import pytest

from tests.clients.matrix import list_checks

pytestmark = pytest.mark.timeout(1260)


@pytest.mark.parametrize("check", list_checks("programs_2023.py"))
def test_client_of_2023(check, matrix, local_tls):
    """Programs of one's own, and interim results over a websocket, work as they did."""
    matrix.assert_ok(local_tls, "0.15.1", "programs_2023.py", check)


@pytest.mark.parametrize("check", list_checks("provider_2021.py"))
def test_client_of_2021(check, matrix, local_tls):
    """The login, programs, runs and interim results of 2021 work as they did."""
    matrix.assert_ok(local_tls, "provider", "provider_2021.py", check)
