"""A Kubernetes without nodes: etcd, the API server and the Job controller, on the loopback.

It needs no container, network link or root, so that thousands of jobs can be tried: what a kubelet
does is ``fake_kubelet``'s. Each client is a user of its own, so that the audit tells who wrote.
"""

import base64
import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trustme
import yaml
from kubernetes import client, config
from urllib3.exceptions import HTTPError

from tests.cluster.stand import Part, free_port, wait_until
from tests.cluster.target import RIG, Cluster

USERS = ("admin", "operator", "api", "kubelet")
READY_SECONDS = 120.0
CONTROLLERS = "job-controller,garbage-collector-controller,ttl-after-finished-controller"

AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {
            "level": "Metadata",
            "users": ["operator", "api"],
            "verbs": ["create", "update", "patch", "delete"],
        },
        {"level": "None"},
    ],
}
"""Writes of ours alone: of thousands of jobs, the others' would fill the disk."""


class ControlPlane:
    """The processes and their files, all in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self.audit = folder / "audit.log"
        self._parts: list[Part] = []

    def kubeconfig(self, user: str) -> str:
        """Return the file by which a process is this user."""
        return str(self._folder / f"{user}.kubeconfig")

    def describe(self) -> Cluster:
        """Return it as tests name a cluster; it has no image, as it runs no container."""
        return Cluster(
            kind="built",
            kubeconfig=self.kubeconfig("admin"),
            kubectl="kubectl",
            helm="helm",
            api_image="",
            runner_image="none",
            local_image="",
            builder="",
            audit_log=str(self.audit),
        )

    def start(self) -> None:
        """Start it, and wait until it answers."""
        answer = subprocess.run([RIG, "programs"], stdout=subprocess.PIPE, text=True, check=True)
        programs = Path(answer.stdout.strip())
        self._write_files()
        etcd, peers = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        files = {name: str(self._folder / name) for name in ("ca.pem", "server.pem", "server.key")}
        self._run(
            programs / "etcd",
            **{"data-dir": str(self._folder / "etcd"), "log-level": "warn"},
            **{"listen-client-urls": etcd, "advertise-client-urls": etcd},
            **{"listen-peer-urls": peers, "unsafe-no-fsync": "true"},
        )
        self._run(
            programs / "kube-apiserver",
            **{"etcd-servers": etcd, "secure-port": str(self._port), "bind-address": "127.0.0.1"},
            **{"tls-cert-file": files["server.pem"], "tls-private-key-file": files["server.key"]},
            **{"token-auth-file": str(self._folder / "tokens"), "authorization-mode": "RBAC"},
            **{"service-account-issuer": "https://kubernetes.default.svc"},
            **{"service-account-key-file": files["server.pem"]},
            **{"service-account-signing-key-file": files["server.key"]},
            **{"disable-admission-plugins": "ServiceAccount"},
            **{"kubelet-preferred-address-types": "InternalIP"},
            **{"audit-policy-file": str(self._folder / "audit.yaml")},
            **{"audit-log-path": str(self.audit), "service-cluster-ip-range": "10.96.0.0/16"},
        )
        config.load_kube_config(self.kubeconfig("admin"))
        wait_until(_answers, READY_SECONDS, "the API server answers")
        self._run(
            programs / "kube-controller-manager",
            **{"kubeconfig": self.kubeconfig("admin"), "leader-elect": "false"},
            **{"controllers": CONTROLLERS, "secure-port": "0", "concurrent-job-syncs": "20"},
            **{"kube-api-qps": "1000", "kube-api-burst": "2000"},
        )

    def _write_files(self) -> None:
        authority = trustme.CA()
        server = authority.issue_cert("127.0.0.1", "localhost")
        authority.cert_pem.write_to_path(self._folder / "ca.pem")
        server.private_key_pem.write_to_path(self._folder / "server.key")
        server.cert_chain_pems[0].write_to_path(self._folder / "server.pem")
        (self._folder / "audit.yaml").write_text(json.dumps(AUDIT))
        lines = [f'{user}-token,{user},{user},"system:masters"' for user in USERS]
        (self._folder / "tokens").write_text("\n".join(lines))
        for user in USERS:
            Path(self.kubeconfig(user)).write_text(yaml.safe_dump(self._build_kubeconfig(user)))

    def _build_kubeconfig(self, user: str) -> dict[str, object]:
        authority = base64.b64encode((self._folder / "ca.pem").read_bytes()).decode()
        address = f"https://127.0.0.1:{self._port}"
        where = {"server": address, "certificate-authority-data": authority}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "clusters": [{"name": "here", "cluster": where}],
            "users": [{"name": user, "user": {"token": f"{user}-token"}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": user}}],
        }

    def _run(self, program: Path, **flags: str) -> None:
        command = [str(program), *(f"--{name}={value}" for name, value in flags.items())]
        part = Part(program.name, command, {}, self._folder)
        part.start()
        self._parts.append(part)

    def count_writes(self) -> Counter[str]:
        """Return the writes of operator and API so far: user, verb, resource and subresource."""
        writes: Counter[str] = Counter()
        with self.audit.open() as log:
            for line in log:
                event = json.loads(line)
                what = event["objectRef"]
                names = (event["user"]["username"], event["verb"], what["resource"])
                writes[" ".join([*names, what.get("subresource", "")]).strip()] += 1
        return writes

    def stop(self) -> None:
        """End it; nothing stays."""
        for part in reversed(self._parts):
            part.send(signal.SIGKILL)
            assert part.process
            part.process.wait()


def _answers() -> bool:
    with client.ApiClient() as api:
        try:
            return bool(client.VersionApi(api).get_code())
        except HTTPError:
            return False


@contextmanager
def open_control_plane(folder: Path) -> Iterator[ControlPlane]:
    """A running control plane in this folder."""
    plane = ControlPlane(folder)
    os.environ.pop("KUBERNETES_SERVICE_HOST", None)
    try:
        plane.start()
        yield plane
    finally:
        plane.stop()
