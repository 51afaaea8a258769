"""The API's app: ``create_app`` puts settings, store, catalog, checks and routes together.

``qiskit-runtime serve`` runs it (see ``cli``); uvicorn can, as ``api.main:create_app``.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from api.auth import Gate
from api.bodies import BodyChecks
from api.errors import ANYWHERE, add_error_handlers, describe
from api.jobstore.base import JobStore
from api.jobstore.local.data_folder import DataFolder
from api.jobstore.local.runner_process import RunnerLimits
from api.jobstore.local.store import LocalJobStore
from api.routes import probes, root
from api.settings import ApiSettings
from qiskit_runtime.catalog import Catalog

DESCRIPTION = """Run Qiskit programs beside the Aer simulator, and stream what they publish.

A job's messages come over a websocket at `/stream/jobs/{job_id}`: from the first, then live."""


def create_app(settings: ApiSettings | None = None, store: JobStore | None = None) -> FastAPI:
    """An app by these settings (default: the environment's); ``store`` replaces the local one."""
    settings = settings or ApiSettings()
    catalog = Catalog(settings.programs)
    job_store = store or make_store(settings, catalog)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await job_store.open()
        yield
        await job_store.close()

    # /docs and /redoc come with their own assets: a laptop in a train has no internet.
    app = FastAPIOffline(
        title="Qiskit Runtime",
        description=DESCRIPTION,
        version=version("qiskit-runtime-server"),
        lifespan=lifespan,
    )
    app.state.job_store, app.state.catalog = job_store, catalog
    app.state.tenant = settings.token.get_secret_value()
    app.include_router(root.router, responses=describe(*ANYWHERE))
    app.include_router(probes.router)
    add_error_handlers(app)
    # The last one added is the first one asked.
    app.add_middleware(BodyChecks)
    app.add_middleware(Gate, settings=settings)
    return app


def make_store(settings: ApiSettings, catalog: Catalog) -> JobStore:
    """The store over Kubernetes where a namespace is set, else that of local mode."""
    if settings.namespace:
        return _make_cluster_store(settings)
    limits = RunnerLimits(settings.workers, settings.job_memory, settings.grace_seconds)
    return LocalJobStore(DataFolder(settings.data), catalog, limits)


def _make_cluster_store(settings: ApiSettings) -> JobStore:
    # Local mode has none of the client libraries.
    from api.jobstore.kubernetes.store import ClusterSettings, KubernetesJobStore
    from qiskit_runtime.cluster_api import connect

    redis_url, budget = settings.redis_url.get_secret_value(), settings.storage_budget_mib * 2**20
    return KubernetesJobStore(ClusterSettings(settings.namespace, redis_url, budget), connect)
