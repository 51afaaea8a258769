"""The same clients against the installed chart, through its ingress."""

import pytest

from tests.clients.matrix import list_checks, make_cases

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


@pytest.mark.parametrize(("client", "check"), make_cases("today", "0.51.0", "0.50.0", "0.49.0"))
def test_today(client, check, matrix, cluster):
    """Each check passes on a cluster as on a laptop."""
    matrix.assert_ok(cluster, client, "today", check)


@pytest.mark.parametrize("check", list_checks("programs_2023.py"))
def test_client_of_2023(check, matrix, cluster_tls):
    """Streams of pods come through a proxy that ends TLS, and the ingress."""
    matrix.assert_ok(cluster_tls, "0.15.1", "programs_2023.py", check)


@pytest.mark.parametrize("check", list_checks("provider_2021.py"))
def test_client_of_2021(check, matrix, cluster):
    """Without TLS this client polls, and has its results all the same."""
    matrix.assert_ok(cluster, "provider", "provider_2021.py", check)
