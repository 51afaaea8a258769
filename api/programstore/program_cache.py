"""The RuntimePrograms of a namespace as they were last seen, without their sources.

A watch keeps it (``api.jobstore.kubernetes.resource_watch``); the store adds what the API server
answered to its own writes, so that a client's next read sees them.
"""

import logging
import time
from dataclasses import dataclass
from typing import Any

from api.jobstore.kubernetes.job_cache import TOMBSTONE_SECONDS
from qiskit_runtime.contract.program import Program
from qiskit_runtime.contract.runtimeprogram import NotARuntimeProgram, parse_runtimeprogram

Manifest = dict[str, Any]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SeenProgram:
    """A RuntimeProgram as it was in one version."""

    program: Program
    uid: str
    version: int

    @classmethod
    def of(cls, manifest: Manifest) -> "SeenProgram":
        """Read a manifest.

        Raises:
            NotARuntimeProgram: it is none.
        """
        metadata = manifest["metadata"]
        program = parse_runtimeprogram(manifest)
        return cls(program, metadata["uid"], int(metadata["resourceVersion"]))


class ProgramCache:
    """Programs by their names; a newer version is never replaced by an older one."""

    def __init__(self) -> None:
        self._programs: dict[str, SeenProgram] = {}
        self._tombstones: dict[str, float] = {}
        self._malformed: set[str] = set()

    def find(self, name: str) -> SeenProgram | None:
        """The program of this name."""
        return self._programs.get(name)

    def all(self) -> list[Program]:
        """Every program that is one."""
        return [seen.program for seen in self._programs.values()]

    def put(self, manifest: Manifest) -> None:
        """Take up a version of a program, unless it is an old one or no program."""
        uid = manifest["metadata"]["uid"]
        try:
            seen = SeenProgram.of(manifest)
        except NotARuntimeProgram as error:
            if uid not in self._malformed:
                name = manifest["metadata"]["name"]
                logger.warning("RuntimeProgram %s is left out: %s", name, error)
            self._malformed.add(uid)
            return
        known = self._programs.get(seen.program.id)
        if uid in self._tombstones or (known and known.version >= seen.version):
            return
        self._programs[seen.program.id] = seen

    def drop(self, manifest: Manifest) -> None:
        """Forget a program that was deleted, for good: older news of it change nothing."""
        self.bury(manifest["metadata"]["name"], manifest["metadata"]["uid"])

    def bury(self, name: str, uid: str) -> None:
        """The same by name and uid. Another program of its name is left alone."""
        now = time.monotonic()
        old = [one for one, at in self._tombstones.items() if now - at > TOMBSTONE_SECONDS]
        for one in old:
            del self._tombstones[one]
        self._tombstones.setdefault(uid, now)
        self._malformed.discard(uid)
        known = self._programs.get(name)
        if known and known.uid == uid:
            del self._programs[name]

    def keep_only(self, uids: set[str], version: int) -> None:
        """Forget the programs that a list of this version does not have."""
        for name, known in list(self._programs.items()):
            if known.uid not in uids and known.version <= version:
                self.bury(name, known.uid)
