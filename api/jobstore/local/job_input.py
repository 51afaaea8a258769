"""The input of a runner in local mode: a job's program, parameters, backend and limits."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from api.jobstore.base import ParamsLost
from api.jobstore.local.data_folder import DataFolder
from api.jobstore.local.runner_process import RunnerLimits
from qiskit_runtime.contract.catalog import Catalog, UnknownProgram
from qiskit_runtime.contract.resources.backend import BackendSpec
from qiskit_runtime.contract.resources.job import Job
from qiskit_runtime.contract.resources.program import SourceInvalid
from qiskit_runtime.contract.wire.job_input import JobInput

_SAVING_SECONDS = 0.2
"""An editor is done with a file of a program sooner."""


@dataclass(frozen=True, slots=True)
class InputMaker:
    """Makes the inputs of jobs."""

    folder: DataFolder
    catalog: Catalog
    find_backend: Callable[[str], BackendSpec]
    limits: RunnerLimits

    def make_job_input(self, job: Job) -> JobInput:
        """Return the input of a job that starts now.

        Raises:
            UnknownProgram, UnknownBackend, ParamsLost: removed while the job was queued.
        """
        version = job.spec.program_version
        versions = {"program": version} if version else {}
        try:
            brought = self.folder.read_source(job.id)
        except (OSError, SourceInvalid) as error:
            raise ParamsLost(f"its program can't be read: {error}") from error
        if brought:
            versions["source"] = brought[1].version
        program = brought[0] if brought else self._find_program(job.spec.program_id)
        return JobInput(
            job_id=job.id,
            program=str(program),
            params=self.folder.read_params(job.id),
            backend=self.find_backend(job.spec.backend).model_dump(exclude_none=True),
            max_execution_seconds=job.spec.max_execution_seconds,
            memory_bytes=self.limits.memory_bytes,
            log_level=job.spec.log_level,
            versions=versions,
        )

    def _find_program(self, program_id: str) -> str:
        try:
            return self.catalog.get(program_id).path
        except UnknownProgram:
            # Its files may be half saved at this moment; a job that waited long is worth a look.
            time.sleep(_SAVING_SECONDS)
            return self.catalog.get(program_id).path
