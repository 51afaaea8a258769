"""The same clients against the installed chart, through its ingress."""

import pytest

from tests.clients.environments import NEWEST
from tests.clients.matrix import list_checks
from tests.clients.test_example import DOCUMENTS, run_example

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1260)]


@pytest.mark.parametrize("check", list_checks("today", NEWEST))
def test_today(check, matrix, cluster):
    """A call that works on a laptop works on a cluster; older clients say the same to both."""
    matrix.assert_ok(cluster, NEWEST, "today", check)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.stem)
def test_example_runs(document, cluster, tmp_path):
    """The documents' example runs here without a change to it."""
    assert run_example(document, cluster, tmp_path).strip()


@pytest.mark.parametrize("check", list_checks("workloads.py"))
def test_workloads(check, matrix, cluster):
    """The cluster carries what its users bring."""
    matrix.assert_ok(cluster, NEWEST, "workloads.py", check)


@pytest.mark.parametrize("check", list_checks("mcp_server.py"))
def test_third_party(check, matrix, cluster):
    """A program of others over the official client works by the same variables."""
    matrix.assert_ok(cluster, "mcp", "mcp_server.py", check)


@pytest.mark.parametrize("check", list_checks("programs_2023.py"))
def test_client_of_2023(check, matrix, cluster_tls):
    """Streams of pods come through a proxy that ends TLS, and the ingress."""
    matrix.assert_ok(cluster_tls, "0.15.1", "programs_2023.py", check)


@pytest.mark.parametrize("check", list_checks("provider_2021.py"))
def test_client_of_2021(check, matrix, cluster):
    """Without TLS this client polls, and has its results all the same."""
    matrix.assert_ok(cluster, "provider", "provider_2021.py", check)
