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


JobStoreDep = Annotated[JobStore, Depends(_job_store)]
"""The one store of jobs."""

CatalogDep = Annotated[Catalog, Depends(_catalog)]
"""The programs there are."""
