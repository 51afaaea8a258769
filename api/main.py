"""The API's app: ``create_app`` puts settings, store, catalog, checks and routes together.

``qiskit-runtime serve`` runs it (see ``cli``); uvicorn can, as ``api.main:create_app``.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from importlib.metadata import version

from fastapi import Depends, FastAPI
from fastapi_offline import FastAPIOffline

from api.accounts.admissions import Admissions
from api.accounts.authenticator import Authenticator
from api.accounts.limits import Rates
from api.accounts.modes import make_authenticator, make_identity_tokens
from api.accounts.submission_rates import make_submission_rates
from api.auth import AuthMiddleware
from api.backend_reports import BackendReports
from api.bodies import BodyReader
from api.browser.wiring import make_browser_login
from api.dependencies import act_for_one_instance
from api.errors import ANYWHERE, add_error_handlers, describe
from api.job_answers import JobAnswers
from api.jobstore.base import JobStore
from api.params_check import ParamsCheck
from api.programstore.base import ProgramStore
from api.queue_forecast import QueueForecast
from api.routes import browser, console, ibm, probes, provider, root
from api.routes.ibm.errors import ErrorForm
from api.sessionstore.base import SessionStore
from api.settings import ApiSettings
from api.stores import Stores, make_stores
from api.submission import JobSubmission
from api.usage import UsageMeter

DESCRIPTION = """Run Qiskit programs beside the Aer simulator, and stream what they publish.

A job's messages come over a websocket at `/stream/jobs/{job_id}`: from the first, then live.

A browser that has logged in can log out on [the first page](/)."""


TOKENS_A_SECOND = 100.0
"""The rate at which a network's clients exchange keys for tokens: each does it once an hour."""


def create_app(
    settings: ApiSettings | None = None,
    store: JobStore | None = None,
    programs: ProgramStore | None = None,
    sessions: SessionStore | None = None,
) -> FastAPI:
    """Make an app by these settings (default: the environment's); given stores replace its own."""
    settings = settings or ApiSettings()
    made = make_stores(settings)
    stores = Stores(
        store or made.jobs, programs or made.programs, made.backends, sessions or made.sessions
    )
    identity_tokens = make_identity_tokens(settings)
    authenticator = make_authenticator(settings, identity_tokens)
    browser_login = make_browser_login(settings, authenticator, identity_tokens)
    params_check, admissions = ParamsCheck(), Admissions()
    rates = make_submission_rates(settings)
    submission = JobSubmission(
        stores.jobs,
        stores.programs,
        stores.backends,
        params_check,
        stores.sessions,
        rates,
        settings.instance_queue,
    )
    # /docs and /redoc come with their own assets: a laptop in a train has no internet.
    app = FastAPIOffline(
        title="Qiskit Runtime",
        description=DESCRIPTION,
        version=version("qiskit-runtime-server"),
        lifespan=_open_and_close(
            stores,
            authenticator,
            *(part.close for part in (params_check, rates, browser_login, admissions)),
        ),
    )
    app.state.settings = settings
    app.state.authenticator, app.state.identity_tokens = authenticator, identity_tokens
    app.state.identity_rates = Rates(TOKENS_A_SECOND, 2 * TOKENS_A_SECOND)
    app.state.browser_login = browser_login
    _keep_services(app, stores, params_check, submission)
    _add_routes(app)
    add_error_handlers(app)
    app.add_middleware(
        AuthMiddleware,
        settings=settings,
        authenticator=authenticator,
        browser_login=browser_login,
        admissions=admissions,
    )
    # Around all others: their errors have this form, too.
    app.add_middleware(ErrorForm, prefixes=(*ibm.PREFIXES, provider.PREFIX))
    return app


def _open_and_close(
    stores: Stores, authenticator: Authenticator, *closing: Callable[[], Awaitable[None]]
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Return the lifespan of an app: its parts are opened in order, and closed in the reverse."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as opened:
            for close in closing:
                opened.push_async_callback(close)
            parts = (authenticator, stores.jobs, stores.programs, stores.backends, stores.sessions)
            for part in parts:
                await part.open()
                opened.push_async_callback(part.close)
            yield

    return lifespan


def _keep_services(
    app: FastAPI, stores: Stores, params_check: ParamsCheck, submission: JobSubmission
) -> None:
    """Put what routes depend on where ``dependencies`` finds it."""
    state, jobs = app.state, stores.jobs
    state.job_store, state.programs = jobs, stores.programs
    state.backends, state.sessions = stores.backends, stores.sessions
    state.params_check, state.body_reader = params_check, BodyReader()
    state.submission = submission
    state.job_answers = JobAnswers(jobs)
    state.backend_reports = BackendReports(jobs)
    state.queue_forecast, state.usage_meter = QueueForecast(jobs), UsageMeter(jobs)


def _add_routes(app: FastAPI) -> None:
    app.include_router(browser.router)
    app.include_router(console.router)
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
