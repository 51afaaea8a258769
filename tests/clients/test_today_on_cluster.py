"""The same client against the installed chart, through its ingress."""

import pytest

from tests.clients.matrix import make_cases

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


@pytest.mark.parametrize(("client", "check"), make_cases("today", "0.51.0", "0.50.0", "0.49.0"))
def test_today_on_a_cluster(client, check, matrix, cluster):
    """What works on a laptop works on a cluster."""
    matrix.assert_ok(cluster, client, "today", check)
