"""The dialect of qiskit-ibmq-provider, the client of 2021, which was pointed at a login.

``IBMQ.enable_account(token, url="https://HOST/api")`` logs in there, and is told where the runtime
is. Jobs and programs have the form of today's dialect, from which this one is made; what differs is
the login, the devices, and that a request names its instance as hub, group and project.
"""

from fastapi import APIRouter

from api.routes.ibm import jobs as ibm_jobs
from api.routes.ibm import stream
from api.routes.provider import devices, jobs, login
from api.routes.root import programs

PREFIX = "/api"

router = APIRouter()
for part in (login, devices):
    router.include_router(part.router)
# Of two routes with one path the first is taken.
for part in (jobs, ibm_jobs, programs, stream):
    router.include_router(part.router, prefix=login.RUNTIME)
