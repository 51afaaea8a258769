"""The chart installed, upgraded and removed on a real cluster, next to the other release."""

import json
import shutil
import time

import pytest
import yaml

from tests.charts.conftest import CHART

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

TENANT_RIGHTS = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: tenant}
rules: [{apiGroups: ["*"], resources: ["*"], verbs: ["*"]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: tenant}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: tenant}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: tenant}]
"""
"""Everything in one namespace, and nothing of the cluster."""

BELL = {
    "apiVersion": "qiskit-runtime.dev/v1alpha1",
    "kind": "RuntimeJob",
    "metadata": {"name": "bell"},
    "spec": {"programId": "hello-quantum", "params": '{"greeting": "Hello"}'},
}


def can(tools, namespace, component, *question):
    """Return kubectl's answer whether a component's account may do something."""
    user = f"system:serviceaccount:{namespace}:r-qiskit-runtime-{component}"
    return tools.run("kubectl", "-n", namespace, "auth", "can-i", f"--as={user}", *question).stdout


def test_tenant_installs_uses_and_removes_it_without_cluster_rights(tools):
    """A namespace's owner installs, runs a job, uninstalls; the job stays, and goes with all."""
    with tools.namespace() as namespace:
        as_tenant = ["--kube-as-user=tenant", f"--namespace={namespace}"]
        tools.kubectl("-n", namespace, "apply", "-f", "-", stdin=TENANT_RIGHTS)
        tools.helm(
            "install", "r", str(CHART), *as_tenant, *tools.local_images(), "--wait",
            "--timeout=3m", "--set=crds.install=false", "--set=api.replicas=1",
            "--set=jobs.namespace=",
            "--set=redis.persistence.enabled=false", "--set=runner.memory=512Mi",
        )  # fmt: skip
        assert "Succeeded" in tools.helm("test", "r", *as_tenant, "--timeout=2m")
        tools.kubectl("-n", namespace, "apply", "-f", "-", stdin=json.dumps(BELL))
        wait = ("wait", "--for=condition=Completed", "rj/bell", "--timeout=60s")
        tools.kubectl("-n", namespace, *wait)

        assert can(tools, namespace, "operator", "create", "jobs").startswith("yes")
        assert can(tools, namespace, "api", "create", "jobs").startswith("no")
        assert can(tools, namespace, "api", "list", "secrets").startswith("no")
        assert can(tools, "default", "operator", "get", "pods").startswith("no")

        token = _read_token(tools, namespace)
        tools.helm("upgrade", "r", str(CHART), *as_tenant, "--reuse-values", "--wait")
        assert _read_token(tools, namespace) == token
        # The new default would hide the jobs that are there.
        moved = ("upgrade", "r", str(CHART), *as_tenant, "--reuse-values", "--set=jobs.namespace=x")
        assert f"--set jobs.namespace={namespace}" in tools.run("helm", *moved).stderr

        tools.helm("uninstall", "r", *as_tenant, "--wait")
        result = tools.kubectl(
            "-n", namespace, "get", "rj", "bell", "-o", "jsonpath={.status.result}"
        )
        assert sum(json.loads(result).values()) == 1024
        tools.kubectl("delete", "namespace", namespace, "--timeout=120s")


def _read_token(tools, namespace):
    name = "secret/r-qiskit-runtime-token"
    return tools.kubectl("-n", namespace, "get", name, "-o", "jsonpath={.data.token}")


GROUP = "upgrade-test.dev"


@pytest.fixture
def other_chart(tools, tmp_path):
    """A copy of the chart whose CRDs are of a group of their own: others' jobs are not touched."""
    chart = tmp_path / "qiskit-runtime"
    shutil.copytree(CHART, chart)
    for path in (chart / "files").rglob("*.yaml"):
        text = path.read_text().replace("qiskit-runtime.dev", GROUP)
        # kubectl remembers for minutes what a category holds, also when the CRDs are gone.
        path.write_text(text.replace("categories: [qiskit]", "categories: [upgrade-test]"))
    yield chart
    for path in (chart / "files" / "crds").iterdir():
        crd = yaml.safe_load(path.read_text())["metadata"]["name"]
        tools.run("kubectl", "delete", "crd", crd, "--ignore-not-found")


def test_upgrade_serves_new_fields_and_uninstall_keeps_the_jobs(tools, other_chart):
    """CRDs are upgraded with the chart, and stay with their jobs when it goes."""
    path = other_chart / "files" / "crds" / "runtimejobs.yaml"
    new = path.read_text()
    crd = yaml.safe_load(new)
    status = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
    del status["properties"]["usage"]
    path.write_text(yaml.safe_dump(crd))
    field = ("explain", "runtimejobs.status.usage", f"--api-version={GROUP}/v1alpha1")
    with tools.namespace() as namespace:
        where = f"--namespace={namespace}"
        here = "--set=jobs.namespace="
        tools.helm("install", "old", str(other_chart), where, here, *tools.local_images())
        job = {**BELL, "apiVersion": f"{GROUP}/v1alpha1"}
        tools.kubectl(where, "apply", "-f", "-", stdin=json.dumps(job))
        assert "does not exist" in tools.run("kubectl", *field).stderr

        path.write_text(new)
        tools.helm("upgrade", "old", str(other_chart), where, "--reuse-values")
        # The API server publishes a new schema a moment later.
        until = time.monotonic() + 60
        while (explained := tools.run("kubectl", *field)).returncode and time.monotonic() < until:
            time.sleep(1)
        assert "peakMemoryBytes" in explained.stdout

        tools.helm("uninstall", "old", where)
        kind = f"runtimejobs.{GROUP}"
        assert tools.kubectl(where, "get", kind, "-o", "name") == f"runtimejob.{GROUP}/bell\n"
