"""A program on this machine, a file or a folder, made ready to be uploaded.

Its metadata come from ``<name>.json`` in the same folder, else from the source (``outline``). All
that can be wrong is found here, before anything is sent.
"""

import gzip
import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from qiskit_runtime.client.errors import BadProgram
from qiskit_runtime.client.program_signature import SyntaxFlaw, outline, parse
from qiskit_runtime.contract.limits import MAX_SOURCE_BYTES
from qiskit_runtime.contract.resources.program import (
    ProgramMetadata,
    ProgramSource,
    SourceInvalid,
)

LEFT_OUT = ("__pycache__", ".git", ".venv", ".mypy_cache", ".pytest_cache", ".ipynb_checkpoints")
"""Folders that are no part of a program."""

ENTRIES = ("main.py", "__init__.py")
"""Where a folder's ``main`` may be."""


@dataclass(frozen=True, slots=True)
class LocalProgram:
    """A program as it would be uploaded: ``fields`` are those of POST /programs but the data.

    ``path`` is its file or folder; ``warnings`` name the type names of 2021 that were translated.
    """

    path: Path
    fields: dict[str, Any]
    source: ProgramSource
    files: int
    warnings: Sequence[str] = ()

    @property
    def size(self) -> str:
        """The number of files and their size, for people."""
        files = f"{self.files} files, " if self.files > 1 else ""
        return f"{files}{len(self.source.data) / 1024:.1f} KiB"


def read_program(path: Path) -> LocalProgram:
    """Return the program at a path.

    Raises:
        BadProgram: no program there could run; the text has file and line where they are known.
    """
    path = path.resolve()
    try:
        if path.is_dir():
            return _read_folder(path)
        if not path.is_file():
            raise BadProgram(f"{path}: there is no such file or folder")
        text = _read_text(path)
        fields, warnings = _describe(path.with_suffix(".json"), path.stem, text, path.name)
        return LocalProgram(path, fields, ProgramSource(path.read_bytes()), 1, warnings)
    except SourceInvalid as error:
        raise BadProgram(f"{path}: {error}") from None
    except SyntaxFlaw as error:
        raise BadProgram(str(error)) from None
    except OSError as error:
        raise BadProgram(f"can't read {error.filename or path}: {error.strerror}") from None


def _read_folder(folder: Path) -> LocalProgram:
    # As a server with --programs has them: a module and its metadata.
    own = folder / f"{folder.name}.py"
    modules = sorted(folder.glob("*.py"))
    if modules == [own]:
        return read_program(own)
    entry = next((folder / name for name in ENTRIES if (folder / name).is_file()), None)
    if entry is None:
        raise BadProgram(f"{folder}: its main function must be in {' or '.join(ENTRIES)}")
    files = list(_find_files(folder))
    for file in files:
        if file.suffix == ".py":
            parse(_read_text(file), str(file.relative_to(folder.parent)))
    shown = str(entry.relative_to(folder.parent))
    metadata = folder / f"{folder.name}.json"
    fields, warnings = _describe(metadata, folder.name, _read_text(entry), shown)
    # A package keeps its name: what is within may import it.
    prefix = f"{folder.name}/" if entry.name == "__init__.py" else ""
    source = ProgramSource(_pack(folder, files, prefix))
    return LocalProgram(folder, fields, source, len(files), warnings)


def _find_files(folder: Path) -> Iterator[Path]:
    """Yield the files of a program, in an order that does not change."""
    for path in sorted(folder.iterdir()):
        if path.name in LEFT_OUT or path.suffix == ".pyc":
            continue
        if path.is_symlink():
            raise BadProgram(f"{path}: links are not uploaded")
        if path.is_dir():
            yield from _find_files(path)
        elif path.is_file():
            yield path


def _pack(folder: Path, files: list[Path], prefix: str) -> bytes:
    """Return a compressed tar archive: the same files always make the same bytes."""
    total = sum(file.stat().st_size for file in files)
    if total > MAX_SOURCE_BYTES * 32:
        raise BadProgram(f"{folder}: its {len(files)} files are {total} bytes: is it a program?")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for file in files:
            data = file.read_bytes()
            member = tarfile.TarInfo(prefix + file.relative_to(folder).as_posix())
            member.size, member.mode = len(data), 0o644
            tar.addfile(member, io.BytesIO(data))
    return gzip.compress(packed.getvalue(), mtime=0)


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadProgram(f"{path}: not UTF-8: {error}") from None


def _describe(
    metadata: Path, name: str, text: str, file: str
) -> tuple[dict[str, Any], Sequence[str]]:
    """Return the fields of POST /programs, and a warning for each type name that was translated.

    The JSON file counts, and the source where the file is silent.
    """
    found = outline(text, file)
    fields: dict[str, Any] = {"name": name, "description": found.description}
    warnings: Sequence[str] = ()
    if metadata.is_file():
        known = _read_metadata(metadata, fields)
        fields = known.model_dump(
            include={"name", "description", "max_execution_time", "is_public"}
        )
        spec, warnings = known.spec.translated()
        fields["spec"] = spec.model_dump(exclude_none=True)
        fields = {
            key: fields[key] for key in fields if key in known.model_fields_set | {"name", "spec"}
        }
    schemas = fields.setdefault("spec", {})
    if found.parameters is not None:
        schemas.setdefault("parameters", found.parameters)
    return fields, [f"{metadata.name}: {warning}" for warning in warnings]


def _read_metadata(path: Path, otherwise: dict[str, Any]) -> ProgramMetadata:
    try:
        fields = json.loads(path.read_bytes())
        if not isinstance(fields, dict):
            raise BadProgram(
                f"{path}: it is read as the program's metadata, and is no JSON object: rename it"
            )
        return ProgramMetadata.model_validate(otherwise | fields)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise BadProgram(f"{path}: {place}: {first['msg']}") from None
    except ValueError as error:
        raise BadProgram(f"{path}: not valid JSON: {error}") from None
