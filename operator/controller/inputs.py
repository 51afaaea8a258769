"""Hands the input of a RuntimeJob to one pod: what makes a program run at most once.

A Kubernetes Job may make a second pod: it was suspended and resumed while its program ran, say, by
Kueue or while no operator was there. So the Secret with the hand-over is written when there is a
pod, and names it; the runner of any other pod refuses it. Only a pod that is known never to have
started is followed by another.
"""

import base64
import json
from dataclasses import dataclass

from controller.build.job import build_input, build_name, find_params
from controller.build.program import ParamsInvalid
from controller.cluster import JobCluster, Manifest
from controller.observe.program_library import ProgramLibrary
from qiskit_runtime.contract.catalog import UnknownProgram
from qiskit_runtime.contract.lifecycle import Reason, State, reject
from qiskit_runtime.contract.resources.backend import UnknownBackend
from qiskit_runtime.contract.wire.job_input import JOB_FILE

NOT_BUILDABLE = (UnknownBackend, UnknownProgram, ParamsInvalid)
"""Why a job can't be handed to any pod."""

UNNAMED = "?"
"""Stands for the pod of an input that an operator of before wrote: it names none."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The pod that has an input, and the uid of the Secret that says so."""

    pod: str
    secret_uid: str


class PodInputs:
    """The inputs of one namespace. ``image`` is the runner's."""

    def __init__(self, cluster: JobCluster, library: ProgramLibrary, image: str) -> None:
        self._cluster = cluster
        self._library = library
        self._image = image
        self._holders: dict[str, Holder | None] = {}
        """By the Secret's name, which is of the job's uid; None where nobody has it."""

    def build(self, job: Manifest, pod: str = "") -> Manifest:
        """The Secret with a job's hand-over, for this pod.

        Raises:
            UnknownBackend, UnknownProgram: there is none of that name.
            ParamsInvalid: the program could not be called with the job's parameters.
        """
        spec = job["spec"]
        backend = self._library.find_backend(spec["backend"]).model_dump(exclude_none=True)
        program = self._library.choose_program(spec)
        if "paramsFrom" not in spec:
            program.check_params(spec.get("params", "{}"))
        return build_input(job, backend, program, self._image, pod)

    async def find_holder(self, job: Manifest) -> Holder | None:
        """The pod that was handed the input; None where no pod was."""
        name = build_name(job)
        if name not in self._holders:
            self._note(name, await self._cluster.find_secret(name))
        return self._holders[name]

    async def give(self, job: Manifest, pod: str) -> None:
        """Hand a job's input to a pod, unless another one has it already."""
        name = build_name(job)
        written = await self._cluster.create_secret(self.build(job, pod))
        # Where there is one already, whoever wrote it decided.
        self._note(name, written or await self._cluster.find_secret(name))

    async def take_back(self, job: Manifest, holder: Holder) -> None:
        """Have no pod hold the input: the one that did never started."""
        name = build_name(job)
        await self._cluster.delete_secret(name, holder.secret_uid)
        del self._holders[name]

    async def is_complete(self, job: Manifest, pod: str) -> bool:
        """Whether all is there that the pod mounts; what the operator itself owes is made good."""
        name = build_name(job)
        if await self._cluster.find_secret(name) is None:
            await self.give(job, pod)
        for part in find_params(job):
            if await self._cluster.find_secret(part) is None:
                return False
        return True

    def forget(self, runtimejob: str) -> None:
        """Forget a job that has ended or is deleted."""
        for name in [name for name in self._holders if name.rpartition("-")[0] == runtimejob]:
            del self._holders[name]

    def _note(self, name: str, secret: Manifest | None) -> None:
        self._holders[name] = None
        if secret is not None:
            document = json.loads(base64.b64decode(secret["data"][JOB_FILE]))
            pod = document.get("pod") or UNNAMED
            self._holders[name] = Holder(pod, secret["metadata"]["uid"])


def reject_input(error: Exception) -> State:
    """The state of a job that can't be handed to any pod."""
    if isinstance(error, UnknownBackend):
        return reject(Reason.UNKNOWN_BACKEND, f"no backend is named {error}")
    if isinstance(error, UnknownProgram):
        return reject(Reason.UNKNOWN_PROGRAM, f"there is no program {error}")
    return reject(Reason.INVALID_PARAMS, str(error))
