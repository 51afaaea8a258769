"""Finds a started job's pod, and what it is to be handed: by what kopf told, and by asking.

The view may be behind, and what would end a job can't be taken back: that is asked of the API
server. ``pod_place`` says what an answer means.
"""

from contextlib import suppress
from datetime import datetime

from chosen_program import ParamsInvalid
from cluster_view import Seen
from job_builder import build_input, build_name, find_params
from job_cluster import JobCluster, Manifest
from job_observation import waited_seconds
from pod_place import GONE, PodPlace, find_place
from program_library import ProgramLibrary
from qiskit_runtime.catalog import UnknownProgram
from qiskit_runtime.contract.backend import UnknownBackend
from qiskit_runtime.contract.lifecycle import Place

INPUT_CHECK_SECONDS = 10.0
"""How long a pod may be on its way until its input is looked for."""


class PodFinder:
    """Looks at one cluster."""

    def __init__(self, cluster: JobCluster, library: ProgramLibrary, image: str) -> None:
        self._cluster = cluster
        self._library = library
        self._image = image

    def build_input(self, job: Manifest) -> Manifest:
        """The Secret with a job's hand-over.

        Raises:
            UnknownBackend, UnknownProgram: there is none of that name.
            ParamsInvalid: the program could not be called with the job's parameters.
        """
        spec = job["spec"]
        backend = self._library.find_backend(spec["backend"]).model_dump(exclude_none=True)
        program = self._library.choose_program(spec)
        if "paramsFrom" not in spec:
            program.check_params(spec.get("params", "{}"))
        return build_input(job, backend, program, self._image)

    async def find(
        self, job: Manifest, seen: Seen, now: datetime, *, log_is_over: bool
    ) -> PodPlace:
        """Where the pod is. What would end the job is asked of the API server.

        ``log_is_over`` says that its log was read to an end that is not the record's.
        """
        had_pod = "podName" in job.get("status", {})
        place, pod = find_place(seen.job, seen.pod, now), seen.pod
        if (pod is None and (had_pod or seen.job is None)) or (log_is_over and not place.has_ended):
            run = build_name(job)
            there, pod = await self._cluster.get_job(run), await self._cluster.find_pod(run)
            place = find_place(there, pod, now)
        if pod is None and had_pod and not place.has_ended:
            return PodPlace(Place.DISRUPTED, GONE)
        is_late = waited_seconds(seen, now) > INPUT_CHECK_SECONDS
        if place.place is Place.STARTING and is_late and not await self._has_input(job):
            return PodPlace(Place.INPUT_MISSING)
        return place

    async def _has_input(self, job: Manifest) -> bool:
        """Whether all is there that the pod mounts; what the operator itself owes is made good."""
        if not await self._cluster.has_secret(build_name(job)):
            with suppress(UnknownBackend, UnknownProgram, ParamsInvalid):
                await self._cluster.put_secret(self.build_input(job))
        for name in find_params(job):
            if not await self._cluster.has_secret(name):
                return False
        return True
