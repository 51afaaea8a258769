"""The contents of the images, as pods with a read-only root find them."""

import json
import subprocess
import time
import uuid

import httpx
import pytest

from tests.charts.conftest import Tools
from tests.cluster.installed import forward
from tests.cluster.target import require_cluster
from tests.documents import ROOT, read_blocks

pytestmark = pytest.mark.cluster

QUESTION = """
import importlib.util, json, os, pathlib, shutil
def has(name): return importlib.util.find_spec(name) is not None
try:
    pathlib.Path("/written").write_text("x")
    writable = True
except OSError:
    writable = False
print(json.dumps({
    "modules": [name for name in MODULES if has(name)],
    "programs": [name for name in ("gcc", "cc", "g++", "make", "rustc") if shutil.which(name)],
    "uid": os.getuid(),
    "writable": writable,
}))
"""
MODULES = [
    "qiskit", "qiskit_aer", "numpy", "scipy", "fastapi", "kopf", "kubernetes", "redis",
    "runner", "api", "qiskit_runtime", "pytest",
]  # fmt: skip


@pytest.fixture(scope="module")
def tools():
    """Helm and kubectl."""
    return Tools(require_cluster())


@pytest.fixture(scope="module")
def ask(tools):
    """Return a function that runs QUESTION in a pod of an image and returns its answer."""

    def ask(image):
        name = f"ask-{uuid.uuid4().hex[:8]}"
        container = {
            "name": name,
            "image": image,
            "command": ["python", "-c", f"MODULES = {MODULES}\n{QUESTION}"],
            "securityContext": {
                "runAsNonRoot": True,
                "readOnlyRootFilesystem": True,
                "allowPrivilegeEscalation": False,
            },
        }
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name},
            "spec": {"restartPolicy": "Never", "containers": [container]},
        }
        with tools.namespace() as namespace:
            where = f"--namespace={namespace}"
            tools.kubectl(where, "apply", "-f", "-", stdin=json.dumps(pod))
            done = "--for=jsonpath={.status.phase}=Succeeded"
            tools.kubectl(where, "wait", done, f"pod/{name}", "--timeout=60s")
            return json.loads(tools.kubectl(where, "logs", name))

    return ask


def test_api_image_holds_no_qiskit_numpy_or_compiler(ask):
    """The image that faces the network has nothing to run a program with, or to build one."""
    found = ask(require_cluster().api_image)
    assert set(found["modules"]) == {
        "fastapi", "kopf", "kubernetes", "redis", "api", "qiskit_runtime",
    }  # fmt: skip
    assert found["programs"] == []
    assert (found["uid"], found["writable"]) == (65532, False)


def test_runner_image_holds_no_client_of_the_cluster(ask):
    """A program has Qiskit and Aer, and nothing that speaks to Kubernetes or Redis."""
    found = ask(require_cluster().runner_image)
    assert {"qiskit", "qiskit_aer", "numpy", "runner", "qiskit_runtime"} <= set(found["modules"])
    assert not {"fastapi", "kopf", "kubernetes", "redis", "api", "pytest"} & set(found["modules"])
    assert not {"gcc", "cc", "g++", "make"} & set(found["programs"])
    assert (found["uid"], found["writable"]) == (65532, False)


BUILD = """
. tests/cluster/images.sh
if [ "$3" = buildah ]; then buildah_build "$1" "$2/Dockerfile" "$2"
else "$3" build -t "$1" "$2"; fi
"$3" rmi "$1"
"""
CHECK = """
RUN python -c "import os, roman, qiskit_aer, runner; assert roman.toRoman(5) == 'V'" && \\
    [ "$(id -u)" = 65532 ] && ! touch /opt/runner/written
"""


def test_image_of_a_users_own_has_its_package_and_no_rights(tmp_path):
    """The Dockerfile of the page about packages builds; what is in it runs as no more than ours."""
    page = read_blocks(ROOT / "docs" / "how-to" / "packages.md")
    (text,) = [block.text for block in page if block.language == "dockerfile"]
    cluster = require_cluster()
    name = "qiskit-runtime-runner:0.1.0"
    assert text.count(name) == 1
    (tmp_path / "Dockerfile").write_text(text.replace(name, cluster.runner_image) + CHECK)
    image = f"localhost/packages-{uuid.uuid4().hex[:8]}"
    command = ["bash", "-euc", BUILD, "build", image, str(tmp_path), cluster.builder]
    subprocess.run(command, cwd=ROOT, check=True)


def test_local_mode_runs_in_one_container(tools):
    """The target `local` serves the REST API and runs jobs, without any other container."""
    container = {
        "name": "server",
        "image": require_cluster().local_image,
        "env": [{"name": "RUNTIME_TOKEN", "value": "of-this-test"}],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8000}, "periodSeconds": 1},
        "securityContext": {"runAsNonRoot": True, "readOnlyRootFilesystem": True},
        "volumeMounts": [{"name": "d", "mountPath": path} for path in ("/data", "/tmp")],
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "local"},
        "spec": {
            "securityContext": {"fsGroup": 65532},
            "containers": [container],
            "volumes": [{"name": "d", "emptyDir": {}}],
        },
    }
    body = {"programId": "hello-quantum", "hub": "h", "group": "g", "project": "p"}
    body |= {"backend": "aer_simulator", "params": ['{"greeting": "Hi"}']}
    with tools.namespace() as namespace:
        where = f"--namespace={namespace}"
        tools.kubectl(where, "apply", "-f", "-", stdin=json.dumps(pod))
        tools.kubectl(where, "wait", "--for=condition=Ready", "pod/local", "--timeout=60s")
        with forward(tools.cluster, namespace, "local") as url:
            headers = {"Authorization": "Bearer of-this-test"}
            assert httpx.get(f"{url}/jobs").status_code == 401
            with httpx.Client(base_url=url, headers=headers, timeout=30) as client:
                job = client.post("/jobs", json=body).json()["id"]
                until = time.monotonic() + 60
                while client.get(f"/jobs/{job}").json()["status"] != "Completed":
                    assert time.monotonic() < until, client.get(f"/jobs/{job}").text
                    time.sleep(0.2)
                counts = json.loads(client.get(f"/jobs/{job}/results").json())
    assert sum(counts.values()) == 1024
