"""What routes ask for by type; ``create_app`` puts it on the app's state."""

from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import HTTPConnection

from api.jobstore.base import JobStore
from qiskit_runtime.catalog import Catalog


def _job_store(connection: HTTPConnection) -> JobStore:
    return cast(JobStore, connection.app.state.job_store)


def _catalog(connection: HTTPConnection) -> Catalog:
    return cast(Catalog, connection.app.state.catalog)


def _tenant(connection: HTTPConnection) -> str:
    return cast(str, connection.app.state.tenant)


TenantDep = Annotated[str, Depends(_tenant)]
"""What tells a client's own apart from another's: for now, all of one server's are one."""

JobStoreDep = Annotated[JobStore, Depends(_job_store)]
"""The one store of jobs."""

CatalogDep = Annotated[Catalog, Depends(_catalog)]
"""The programs there are."""
