"""The runtime's own requests in this dialect: a run that names its instance, and the logout."""

from fastapi import APIRouter

from api.dependencies import CallerDep, SessionsDep, SubmissionDep
from api.routes.ibm import jobs, models
from api.routes.ibm.errors import describe
from api.submission import Submission
from qiskit_runtime.contract.resources.instance import Instance
from qiskit_runtime.contract.resources.job import Label

router = APIRouter(
    tags=["qiskit-ibmq-provider"], route_class=jobs.ParamsRoute, strict_content_type=False
)


class RunRequest(models.RunRequest):
    """The body of POST /jobs, with the instance that the job belongs to."""

    hub: Label
    group: Label
    project: Label

    def read(self, instance: Instance) -> Submission:  # noqa: ARG002  (the body names it)
        return super().read(Instance(self.hub, self.group, self.project))


@router.post("/jobs", responses=describe(404, 409, 429, 503, *jobs.WITH_BODY))
async def run_job(
    request: RunRequest, submission: SubmissionDep, sessions: SessionsDep, caller: CallerDep
) -> models.CreatedJob:
    """Queue a job of the instance that is named."""
    return await jobs.run_job(request, submission, sessions, caller)


@router.post("/logout", status_code=204)
async def log_out() -> None:
    """Forget nothing: what an account may do is looked up at each request."""
