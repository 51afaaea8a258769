"""The stores of one mode, local or Kubernetes, as the settings choose; ``main`` opens them."""

from dataclasses import dataclass

from api.backendstore.base import BackendLibrary
from api.backendstore.local import FileBackends
from api.jobstore.base import JobStore
from api.jobstore.local.data_folder import DataFolder
from api.jobstore.local.retention import Bounds
from api.jobstore.local.runner_process import RunnerLimits
from api.jobstore.local.store import LocalJobStore
from api.programstore.base import ProgramStore
from api.programstore.local import LocalProgramStore
from api.sessionstore.base import SessionStore
from api.sessionstore.local import LocalSessionStore, SessionFiles
from api.settings import ApiSettings
from qiskit_runtime.contract.catalog import Catalog
from qiskit_runtime.contract.limits import MIB


@dataclass(frozen=True, slots=True)
class Stores:
    """The stores of one mode; they are opened and closed together, in this order."""

    jobs: JobStore
    programs: ProgramStore
    backends: BackendLibrary
    sessions: SessionStore


def make_stores(settings: ApiSettings) -> Stores:
    """Return the stores over Kubernetes if a namespace is set, else those of local mode."""
    # On a cluster the operator runs programs, and has no folders of this server's.
    if settings.namespace:
        return _make_cluster_stores(settings, Catalog())
    return _make_local_stores(settings, Catalog(settings.programs))


def _make_local_stores(settings: ApiSettings, catalog: Catalog) -> Stores:
    limits = RunnerLimits(
        settings.workers,
        settings.job_memory,
        settings.grace_seconds,
        settings.program_env,
        settings.instance_max_running if settings.has_accounts else 0,
    )
    share = settings.instance_share
    bounds = Bounds(settings.keep_days, settings.keep_bytes, settings.max_queued, share)
    folder, backends = DataFolder(settings.data), FileBackends(settings.backends)
    sessions = SessionFiles(folder)
    jobs = LocalJobStore(folder, catalog, limits, backends.find, bounds, sessions.find)
    programs = LocalProgramStore(folder, catalog, share)
    return Stores(jobs, programs, backends, LocalSessionStore(sessions, jobs))


def _make_cluster_stores(settings: ApiSettings, catalog: Catalog) -> Stores:
    # Local mode is installed without the client libraries.
    from api.backendstore.kubernetes import KubernetesBackends
    from api.jobstore.kubernetes.room import Room
    from api.jobstore.kubernetes.store import ClusterSettings, KubernetesJobStore
    from api.programstore.kubernetes import KubernetesProgramStore
    from api.sessionstore.kubernetes import KubernetesSessionStore
    from qiskit_runtime.cluster.client import connect

    redis_url, share = settings.redis_url.get_secret_value(), settings.instance_share
    room = Room(settings.storage_budget_mib * MIB, settings.max_jobs, share)
    cluster = ClusterSettings(settings.namespace, redis_url, room)
    jobs = KubernetesJobStore(cluster, connect)
    where = (settings.namespace, redis_url, connect)
    programs = KubernetesProgramStore(*where, catalog, share)
    backends = KubernetesBackends(*where)
    return Stores(jobs, programs, backends, KubernetesSessionStore(*where, jobs))
