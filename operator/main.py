"""The operator: kopf tells what happened, ``job_reconciler`` does what follows.

Run it as ``kopf run operator/main.py --namespace NAMESPACE``; kopf is given this file alone.
"""

import os
from collections.abc import Mapping
from typing import Any

import kopf
from kubernetes.aio import client, config

from job_builder import NAME_LABEL, RunnerSettings
from job_cluster import JobCluster
from job_reconciler import JobReconciler
from qiskit_runtime.contract.resource import GROUP, VERSION


@kopf.on.startup()
async def start(settings: kopf.OperatorSettings, memo: kopf.Memo, **_: Any) -> None:
    """Make the reconciler, and have kopf notice a silent watch."""
    settings.watching.server_timeout = 60
    settings.watching.client_timeout = 75
    settings.watching.connect_timeout = 10
    settings.posting.enabled = False
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        config.load_incluster_config()
    else:
        await config.load_kube_config()
    cluster = JobCluster(client.ApiClient(), os.environ["RUNTIME_NAMESPACE"])
    memo.reconciler = JobReconciler(cluster, RunnerSettings(os.environ["RUNTIME_RUNNER_IMAGE"]))


@kopf.on.event(GROUP, VERSION, "runtimejobs")
async def notice_job(name: str, memo: kopf.Memo, **_: Any) -> None:
    """A RuntimeJob was made, changed or deleted."""
    memo.reconciler.notice(name)


@kopf.on.event("pods", labels={NAME_LABEL: kopf.PRESENT})
async def notice_pod(labels: Mapping[str, str], memo: kopf.Memo, **_: Any) -> None:
    """A runner's pod was made, changed or deleted."""
    memo.reconciler.notice(labels[NAME_LABEL])
