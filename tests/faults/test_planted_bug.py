"""The checker on real histories: a bug that is planted into an operator makes it fail.

An operator that was frozen for a while believes that its job has not ended yet. It may write an
end only if nobody has written one since (compare-and-set); the CRD's rule stands behind that, and
is taken away here so that it is this one that is tried.
"""

import signal

import pytest
import yaml
from kubernetes import client

from tests.cluster.stand import ROOT, open_stand, wait_until
from tests.cluster.target import require_cluster
from tests.faults.history import find_violations
from tests.faults.recorder import Recorder, describe, make_params
from tests.faults.scripts import wait_for_end

pytestmark = pytest.mark.cluster

FORGETFUL = """
import os
from controller.observe.cluster_view import ClusterView
ClusterView.was_started = lambda self, job: os.path.exists(os.environ["THAWED"])
put = ClusterView.put_runtimejob
def forget_ends(self, manifest):
    if manifest.get("status", {}).get("phase") not in ("Completed", "Failed", "Cancelled"):
        put(self, manifest)
ClusterView.put_runtimejob = forget_ends
"""
"""Its watch of RuntimeJobs is behind: it knows that they were started, and not that they ended."""

WITHOUT_COMPARE_AND_SET = """
from controller import cluster
async def write_anyway(self, job, status):
    path = f"{self._runtimejobs}/{job.name}/status"
    body = {"status": status}
    return await self._api.call("PATCH", path, body, content_type=cluster.MERGE_PATCH)
cluster.JobCluster.write_status = write_anyway
"""
"""The bug."""


@pytest.fixture
def crd_without_finality():
    """A CRD that lets an end be overwritten, for as long as the test runs."""
    require_cluster()
    path = ROOT / "k8s" / "crds" / "runtimejobs.yaml"
    whole, bare = (yaml.safe_load(path.read_text()) for _ in range(2))
    schema = bare["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    rules = schema["x-kubernetes-validations"]
    schema["x-kubernetes-validations"] = [rule for rule in rules if "final" not in rule["message"]]
    assert len(schema["x-kubernetes-validations"]) == len(rules) - 1

    def serve(crd):
        with client.ApiClient() as api:
            crds = client.ApiextensionsV1Api(api)
            name = crd["metadata"]["name"]
            there = crds.read_custom_resource_definition(name)
            crd["metadata"]["resourceVersion"] = there.metadata.resource_version
            crd["metadata"]["annotations"] = there.metadata.annotations
            crd["metadata"]["labels"] = there.metadata.labels
            crds.replace_custom_resource_definition(name, crd)

    yield lambda: serve(bare)
    serve(whole)


@pytest.mark.parametrize("is_planted", [False, True], ids=["as it is", "planted"])
def test_end_that_is_overwritten_is_found(is_planted, tmp_path, crd_without_finality):
    """Without compare-and-set a second end is written and the checker says so; with it, none is."""
    with open_stand(tmp_path) as stand:
        crd_without_finality()
        stand.parts["operator"].kill()
        script, thawed = FORGETFUL + WITHOUT_COMPARE_AND_SET * is_planted, tmp_path / "thawed"
        frozen = stand.start_operator("frozen", script, THAWED=str(thawed))
        with Recorder(stand) as recorder:
            recorder.history.counts["victim"] = 20
            stand.submit("victim", "count", make_params(20, 0.05), suspend=True)
            recorder.listen("victim")
            wait_until(lambda: _is_suspended(stand), 60, "the frozen one knows the job")
            frozen.send(signal.SIGSTOP)
            stand.parts["operator"].start()
            stand.patch("victim", suspend=False)
            ended = stand.wait_for("victim", "Completed")
            stand.batch.delete_namespaced_job(
                ended["status"]["jobName"], stand.namespace, propagation_policy="Background"
            )
            wait_until(lambda: len(stand.left_of("victim")) == 2, 60, "Job and pod are gone")
            # Else it would find the right end in the stream.
            stand.redis().flushall()
            thawed.touch()
            frozen.send(signal.SIGCONT)
            wait_until(lambda: _has_tried(stand, frozen, is_planted), 60, "the frozen one tried")
            wait_for_end(stand, recorder)
        print(describe(recorder.history))
        found = find_violations(recorder.history)
    assert any("left a final phase" in violation for violation in found) is is_planted, found


def _is_suspended(stand):
    """Return whether the operator that runs has seen the job, and written so."""
    return stand.get("victim").get("status", {}).get("reason") == "Suspended"


def _has_tried(stand, frozen, is_planted):
    if is_planted:
        return stand.phase("victim") == "Failed"
    return "409" in frozen.log()
