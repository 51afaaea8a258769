"""The API's app: ``create_app`` puts settings, store, catalog, checks and routes together.

``qiskit-runtime serve`` runs it (see ``cli``); uvicorn can, as ``api.main:create_app``.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version

from fastapi import Depends, FastAPI
from fastapi_offline import FastAPIOffline

from api.accounts.limits import InstanceBounds, Rate
from api.accounts.modes import make_authenticator, make_identity_tokens
from api.auth import AuthMiddleware
from api.backend_reports import BackendReports
from api.backendstore.base import BackendLibrary
from api.backendstore.local import FileBackends
from api.bodies import BodyReader
from api.browser.wiring import make_browser_login
from api.dependencies import act_for_one_instance
from api.errors import ANYWHERE, add_error_handlers, describe
from api.job_answers import JobAnswers
from api.jobstore.base import JobStore
from api.jobstore.local.data_folder import DataFolder
from api.jobstore.local.retention import Bounds
from api.jobstore.local.runner_process import RunnerLimits
from api.jobstore.local.store import LocalJobStore
from api.params_check import ParamsCheck
from api.programstore.base import ProgramStore
from api.programstore.local import LocalProgramStore
from api.queue_forecast import QueueForecast
from api.routes import browser, ibm, probes, provider, root
from api.routes.ibm.errors import ErrorForm
from api.sessionstore.base import SessionStore
from api.sessionstore.local import LocalSessionStore, SessionFiles
from api.settings import ApiSettings
from api.submission import JobSubmission
from qiskit_runtime.contract.catalog import Catalog

DESCRIPTION = """Run Qiskit programs beside the Aer simulator, and stream what they publish.

A job's messages come over a websocket at `/stream/jobs/{job_id}`: from the first, then live."""


TOKENS_A_SECOND = 100.0
"""The rate at which all clients together exchange keys for tokens: each does it once an hour."""


@dataclass(frozen=True, slots=True)
class Stores:
    """The stores of one mode; they are opened and closed together."""

    jobs: JobStore
    programs: ProgramStore
    backends: BackendLibrary
    sessions: SessionStore


def create_app(
    settings: ApiSettings | None = None,
    store: JobStore | None = None,
    programs: ProgramStore | None = None,
    sessions: SessionStore | None = None,
) -> FastAPI:
    """Make an app by these settings (default: the environment's); given stores replace its own."""
    settings = settings or ApiSettings()
    # On a cluster the operator runs programs, and has no folders of this server's.
    catalog = Catalog(() if settings.namespace else settings.programs)
    stores = make_stores(settings, catalog)
    job_store, program_store = store or stores.jobs, programs or stores.programs
    sessions = sessions or stores.sessions
    params_check = ParamsCheck()
    identity_tokens = make_identity_tokens(settings)
    authenticator = make_authenticator(settings, identity_tokens)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as opened:
            opened.push_async_callback(params_check.close)
            parts = (authenticator, job_store, program_store, stores.backends, sessions)
            for part in parts:
                await part.open()
                opened.push_async_callback(part.close)
            yield

    # /docs and /redoc come with their own assets: a laptop in a train has no internet.
    app = FastAPIOffline(
        title="Qiskit Runtime",
        description=DESCRIPTION,
        version=version("qiskit-runtime-server"),
        lifespan=lifespan,
    )
    app.state.job_store, app.state.programs = job_store, program_store
    app.state.backends, app.state.params_check = stores.backends, params_check
    app.state.body_reader = BodyReader()
    app.state.authenticator, app.state.identity_tokens = authenticator, identity_tokens
    app.state.identity_rate = Rate(TOKENS_A_SECOND, 2 * TOKENS_A_SECOND)
    app.state.sessions = sessions
    app.state.submission = JobSubmission(
        job_store,
        program_store,
        stores.backends,
        params_check,
        sessions,
        _instance_bounds(settings),
    )
    app.state.job_answers = JobAnswers(job_store)
    app.state.backend_reports = BackendReports(job_store)
    app.state.queue_forecast = QueueForecast(job_store)
    app.state.browser_login = make_browser_login(settings, authenticator, identity_tokens)
    _add_routes(app)
    add_error_handlers(app)
    app.add_middleware(
        AuthMiddleware,
        settings=settings,
        authenticator=authenticator,
        browser_login=app.state.browser_login,
    )
    # Around all others: their errors have this form, too.
    app.add_middleware(ErrorForm, prefixes=(*ibm.PREFIXES, provider.PREFIX))
    return app


def _add_routes(app: FastAPI) -> None:
    app.include_router(browser.router)
    app.include_router(root.router, responses=describe(*ANYWHERE))
    for prefix in ibm.PREFIXES:
        # They are the same: the document has them once.
        is_first = prefix == ibm.PREFIXES[0]
        app.include_router(
            ibm.router,
            prefix=prefix,
            include_in_schema=is_first,
            dependencies=[Depends(act_for_one_instance)],
        )
    app.include_router(ibm.root_router)
    app.include_router(provider.router, prefix=provider.PREFIX, include_in_schema=False)
    app.include_router(probes.router)


def _instance_bounds(settings: ApiSettings) -> InstanceBounds:
    """Return the limits of an instance. Without accounts there is one tenant, and labels."""
    if not settings.has_accounts:
        return InstanceBounds()
    return InstanceBounds(settings.instance_max_queued, settings.instance_jobs_per_second)


def make_stores(settings: ApiSettings, catalog: Catalog) -> Stores:
    """Return the stores over Kubernetes if a namespace is set, else those of local mode."""
    if settings.namespace:
        return _make_cluster_stores(settings, catalog)
    limits = RunnerLimits(
        settings.workers,
        settings.job_memory,
        settings.grace_seconds,
        settings.program_env,
        settings.instance_max_running if settings.has_accounts else 0,
    )
    bounds = Bounds(settings.keep_days, settings.keep_bytes, settings.max_queued)
    folder, backends = DataFolder(settings.data), FileBackends(settings.backends)
    sessions = SessionFiles(folder)
    jobs = LocalJobStore(folder, catalog, limits, backends.find, bounds, sessions.find)
    programs = LocalProgramStore(folder, catalog)
    return Stores(jobs, programs, backends, LocalSessionStore(sessions, jobs))


def _make_cluster_stores(settings: ApiSettings, catalog: Catalog) -> Stores:
    # Local mode is installed without the client libraries.
    from api.backendstore.kubernetes import KubernetesBackends
    from api.jobstore.kubernetes.store import ClusterSettings, KubernetesJobStore
    from api.programstore.kubernetes import KubernetesProgramStore
    from api.sessionstore.kubernetes import KubernetesSessionStore
    from qiskit_runtime.cluster.client import connect

    redis_url, budget = settings.redis_url.get_secret_value(), settings.storage_budget_mib * 2**20
    cluster = ClusterSettings(settings.namespace, redis_url, budget, settings.max_jobs)
    jobs = KubernetesJobStore(cluster, connect)
    where = (settings.namespace, redis_url, connect)
    programs, backends = KubernetesProgramStore(*where, catalog), KubernetesBackends(*where)
    return Stores(jobs, programs, backends, KubernetesSessionStore(*where, jobs))
