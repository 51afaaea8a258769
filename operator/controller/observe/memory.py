"""The operator's memory of jobs that are on their way: knowledge that no watch brings.

An operator that starts has none, and reads it again from the API server where it matters.
"""

import base64
import json
from dataclasses import dataclass, field
from datetime import datetime

from qiskit_runtime.contract.resources.resource import Manifest
from qiskit_runtime.contract.resources.runtimejob import RuntimeJob
from qiskit_runtime.contract.wire.job_input import JOB_FILE

UNNAMED = "?"
"""Stands for the pod of an input that an earlier release wrote: it names none."""


@dataclass(frozen=True, slots=True)
class InputHolder:
    """The pod that was given a job's input, and the UID of the Secret that names it."""

    pod: str
    secret_uid: str

    @property
    def run_name(self) -> str:
        """The name of the Kubernetes Job that has made the pod: Kubernetes adds to it."""
        return self.pod.rpartition("-")[0]


@dataclass(slots=True)
class JobMemory:
    """Facts of jobs, each by the job's run name, which is of its UID."""

    holders: dict[str, InputHolder | None] = field(default_factory=dict)
    """The pods that have the inputs; None where it is known that no pod has it."""
    handed: set[str] = field(default_factory=set)
    """Jobs whose input was handed over to a pod that was started ahead."""
    kept_waiting: set[str] = field(default_factory=set)
    """Jobs that such a pod has kept waiting: they start with a pod of their own."""
    begun: set[str] = field(default_factory=set)
    """Jobs whose Kubernetes Job is gone, and had a pod: their input's Secret is there."""
    refused_since: dict[str, datetime] = field(default_factory=dict)
    """The time since which the cluster refuses to create their Kubernetes Job."""
    lacks_room: set[str] = field(default_factory=set)
    """Jobs whose Kubernetes Job a quota has no room for."""
    podless_since: dict[str, datetime] = field(default_factory=dict)
    """The time since which the cluster makes no pod for a Kubernetes Job."""

    def note_input(self, job: RuntimeJob, secret: Manifest | None) -> None:
        """Remember which pod a job's input names; None is an input that does not exist."""
        self.holders[job.run_name] = None
        if secret is not None:
            document = json.loads(base64.b64decode(secret["data"][JOB_FILE]))
            pod = document.get("pod") or UNNAMED
            self.holders[job.run_name] = InputHolder(pod, secret["metadata"]["uid"])

    def note_refusal(self, job: RuntimeJob, now: datetime, *, lacks_room: bool) -> datetime:
        """Remember that the cluster has refused a job; returns the time since which it does."""
        if lacks_room:
            self.lacks_room.add(job.run_name)
        else:
            self.lacks_room.discard(job.run_name)
        return self.refused_since.setdefault(job.run_name, now)

    def forget_refusal(self, runtimejob: str) -> None:
        """Forget that the cluster has refused a job: it has started."""
        for run in [run for run in self.refused_since if _is_of(run, runtimejob)]:
            del self.refused_since[run]
        self.forget_room(runtimejob)

    def forget_room(self, runtimejob: str) -> None:
        """Forget that a job lacks room: it waits for other things."""
        self.lacks_room = {run for run in self.lacks_room if not _is_of(run, runtimejob)}
        for run in [run for run in self.podless_since if _is_of(run, runtimejob)]:
            del self.podless_since[run]

    def forget(self, runtimejob: str) -> None:
        """Forget a job that has ended or is deleted."""
        for run in [run for run in self.holders if _is_of(run, runtimejob)]:
            del self.holders[run]
        self.forget_refusal(runtimejob)
        self.begun = {run for run in self.begun if not _is_of(run, runtimejob)}
        self.handed = {run for run in self.handed if not _is_of(run, runtimejob)}
        self.kept_waiting = {run for run in self.kept_waiting if not _is_of(run, runtimejob)}


def _is_of(run: str, runtimejob: str) -> bool:
    return run.rpartition("-")[0] == runtimejob
