"""The catalog: the programs of the library and of other folders, with their metadata.

The API and the operator use it; it reads metadata and never imports a program. A program is a
folder that holds ``<folder>.py`` and ``<folder>.json``; its id is the folder's name with dashes.
Each call lists the folders again, so a program is there as soon as its files are.
"""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from qiskit_runtime.contract.resources.program import Program, ProgramMetadata
from qiskit_runtime.contract.resources.resource import is_name

LIBRARY = Path(__file__).parents[1] / "programs" / "library"
"""The programs that come with the project."""

logger = logging.getLogger(__name__)


class UnknownProgram(LookupError):
    """No program has this id."""


class Catalog:
    """The programs of some folders; if two have the same id, the later folder's is taken."""

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        # Absolute paths: a program's process works in a folder of its own.
        self._folders = (LIBRARY, *(folder.absolute() for folder in folders))
        self._warned: set[Path] = set()
        self._read: dict[Path, tuple[tuple[int, int], Program | None]] = {}

    def all(self) -> list[Program]:
        """Return every program, by id. Other folders of code are left out, with a warning."""
        found = {
            program.id: program for folder in self._candidates() if (program := self._load(folder))
        }
        return [found[name] for name in sorted(found)]

    def get(self, program_id: str) -> Program:
        """Return the program of this id, in small or capital letters, as in the 2021 API.

        Raises:
            UnknownProgram: no program has this id.
        """
        name = program_id.lower()
        if is_name(name):
            for root in reversed(self._folders):
                folder = root / name.replace("-", "_")
                if _find_flaw(folder) is None and (program := self._load(folder)):
                    return program
        raise UnknownProgram(program_id)

    def _candidates(self) -> Iterator[Path]:
        for root in self._folders:
            for folder in sorted(root.glob("*/")):
                flaw = _find_flaw(folder)
                if flaw is None:
                    yield folder
                elif folder not in self._warned and _has_code(folder):
                    self._warned.add(folder)
                    logger.warning("%s is no program: %s", folder, flaw)

    def _load(self, folder: Path) -> Program | None:
        """Return the folder's program, read again only when its metadata file has changed."""
        source = folder / f"{folder.name}.json"
        try:
            stat = source.stat()
            # The size as well: an editor empties and fills a file within one tick of its clock.
            changed = (stat.st_mtime_ns, stat.st_size)
            if folder in self._read and self._read[folder][0] == changed:
                return self._read[folder][1]
            program = _read_program(folder, source)
        except OSError:
            # Its files were deleted since they were listed.
            return None
        self._read[folder] = (changed, program)
        return program


def _has_code(folder: Path) -> bool:
    """Return whether a folder is meant to be a program; an unreadable one may well be."""
    try:
        return any(path.suffix == ".py" for path in folder.iterdir())
    except OSError:
        return True


def _find_flaw(folder: Path) -> str | None:
    """Return the reason why a folder is no program; None if it is one."""
    name = folder.name
    if "-" in name or not is_name(name.replace("_", "-")):
        return "its name must be small letters, digits and underscores, at most 40"
    try:
        missing = [file for file in (f"{name}.py", f"{name}.json") if not (folder / file).is_file()]
    except OSError as error:
        return f"it can't be read: {error.strerror}"
    return f"{' and '.join(missing)} must be in it" if missing else None


def _read_program(folder: Path, source: Path) -> Program | None:
    try:
        metadata = ProgramMetadata.model_validate_json(source.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        logger.warning(
            "program %s is left out: %s: %s %s", folder.name, source, place, first["msg"]
        )
        return None
    spec, warnings = metadata.spec.translated()
    for warning in warnings:
        logger.warning("program %s: %s: %s", folder.name, source, warning)
    metadata = metadata.model_copy(update={"spec": spec})
    entry = folder / f"{folder.name}.py"
    return Program(id=folder.name.replace("_", "-"), path=str(entry), metadata=metadata)
