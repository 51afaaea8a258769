"""Nodes that go, on a cluster of two: every job has one end, and nothing runs twice."""

import pytest
from kubernetes import client, config

from tests.cluster.stand import open_stand
from tests.cluster.target import require_cluster
from tests.faults.history import find_violations
from tests.faults.nodes import OPTIONS, SCRIPTS, find_nodes
from tests.faults.recorder import Recorder, describe

pytestmark = [pytest.mark.cluster, pytest.mark.nodes, pytest.mark.timeout(900)]


@pytest.fixture(autouse=True)
def _two_nodes():
    """Two nodes that take pods; without them a test fails, as nobody asks for it by accident."""
    config.load_kube_config(require_cluster().kubeconfig)
    with client.ApiClient() as api:
        assert len(find_nodes(client.CoreV1Api(api))) >= 2, "a cluster of two nodes: make kind"


@pytest.mark.parametrize("fault", SCRIPTS)
def test_fault_of_a_node_breaks_no_invariant(fault, tmp_path):
    """The job on the node is Interrupted in time, the queued one runs on the other, none twice."""
    with open_stand(tmp_path, **OPTIONS) as stand:
        with Recorder(stand) as recorder:
            SCRIPTS[fault](stand, recorder)
            recorder.read_results()
        print(describe(recorder.history))
        assert find_violations(recorder.history) == []
