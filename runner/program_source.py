"""A program's code: found in a file, in the library, or in an archive that is unpacked here.

Used by the program process alone, as an archive is a client's data.
"""

import bz2
import gzip
import importlib.util
import io
import lzma
import sys
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

import qiskit_runtime
from qiskit_runtime.contract.limits import MIB
from qiskit_runtime.contract.wire.job_input import ENTRY_POINT

MAX_MEMBERS = 500
"""The number of files and folders that an archive may have."""

MAX_UNPACKED_BYTES = 8 * MIB
"""Their size together: an archive of 256 KiB could unpack to a thousand times as much."""

MAX_ARCHIVE_BYTES = MAX_UNPACKED_BYTES + 4096 * MAX_MEMBERS
"""The size of the decompressed archive: its files, and their headers, which may be of any size."""

_OPENERS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
"""The first bytes of a compressed archive, and the function that reads it."""

LIBRARY = Path(qiskit_runtime.__file__).parent / "programs" / "library"
"""The programs that come with the project."""

_FILTER: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
"""Python's own check of a member, which came with 3.11.4; ours comes before it."""

_PACKAGE = "__init__.py"
_MAIN = "main.py"


class BadArchive(ValueError):
    """The program's archive can't be used; the text says why, and the limit where there is one."""


def locate(program: str, scratch: Path) -> Path:
    """Return the entry file of a program, which is a path or the id of a library program.

    ``scratch`` is an empty folder, for an archive to be unpacked into.

    Raises:
        BadArchive: it can't be unpacked, or it has no one place for main.
    """
    match Path(program).suffix:
        case ".py":
            return Path(program)
        case ".tar":
            return _find_entry(_unpack(Path(program), scratch))
    name = program.replace("-", "_")
    return LIBRARY / name / f"{name}.py"


def is_own(entry: Path) -> bool:
    """Return whether the program is a user's own, and not of the library."""
    return LIBRARY not in entry.parents


def import_program(entry: Path) -> ModuleType:
    """Import the entry file; modules in its folder, or its package, can be imported by name."""
    is_package = entry.name == _PACKAGE
    root = entry.parent.parent if is_package else entry.parent
    name = entry.parent.name if is_package else entry.stem
    sys.path.insert(0, str(root))
    places = [str(entry.parent)] if is_package else None
    spec = importlib.util.spec_from_file_location(name, entry, submodule_search_locations=places)
    assert spec is not None and spec.loader is not None, "a .py file always has a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _unpack(archive: Path, scratch: Path) -> Path:
    """Unpack plain files and folders into ``scratch``, up to the limits; returns ``scratch``.

    Raises:
        BadArchive: it is damaged, over a limit, or has other members.
    """
    try:
        _extract(_decompress(archive.read_bytes()), scratch)
    except BadArchive:
        raise
    except (tarfile.TarError, OSError, EOFError, ValueError, RecursionError) as error:
        raise BadArchive(f"the archive can't be unpacked: {error}") from error
    except (zlib.error, lzma.LZMAError) as error:
        raise BadArchive(f"the archive can't be decompressed: {error}") from error
    return scratch


def _extract(archive: bytes, scratch: Path) -> None:
    members, size = 0, 0
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            members, size = members + 1, size + member.size
            if members > MAX_MEMBERS:
                raise BadArchive(f"the archive has more than {MAX_MEMBERS} members")
            if size > MAX_UNPACKED_BYTES:
                raise BadArchive(f"the archive unpacks to more than {MAX_UNPACKED_BYTES} bytes")
            _check_member(member)
            tar.extract(member, scratch, **_FILTER)
    if not members:
        raise BadArchive("the archive is empty")


def _decompress(data: bytes) -> bytes:
    """Return the archive's bytes. A small file may decompress to any size: the limit stops it.

    Raises:
        BadArchive: it decompresses to more than ``MAX_ARCHIVE_BYTES``.
    """
    for beginning, open_stream in _OPENERS.items():
        if data.startswith(beginning):
            with open_stream(io.BytesIO(data)) as stream:
                data = stream.read(MAX_ARCHIVE_BYTES + 1)
            break
    if len(data) > MAX_ARCHIVE_BYTES:
        raise BadArchive(f"the archive unpacks to more than {MAX_UNPACKED_BYTES} bytes")
    return data


def _check_member(member: tarfile.TarInfo) -> None:
    """Refuse members that no program needs: links, devices, and names that lead out."""
    path = PurePosixPath(member.name)
    if not (member.isfile() or member.isdir()):
        raise BadArchive(f"the archive has {member.name!r}, which is no plain file or folder")
    if path.is_absolute() or ".." in path.parts:
        raise BadArchive(f"the archive has {member.name!r}, which leads out of it")


def _find_entry(folder: Path) -> Path:
    """Return ``main.py``, the one module, or the one package's file.

    A single enclosing folder is allowed.
    """
    found = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    modules = [path for path in found if path.suffix == ".py" and path.is_file()]
    folders = [path for path in found if path.is_dir() and path.name != "__pycache__"]
    packages = [path / _PACKAGE for path in folders if (path / _PACKAGE).is_file()]
    if (folder / _MAIN).is_file():
        return folder / _MAIN
    for candidates in (modules, packages):
        if len(candidates) == 1:
            return candidates[0]
    if len(folders) == 1 and not modules:
        return _find_entry(folders[0])
    raise BadArchive(
        f"the archive's {ENTRY_POINT} function must be in a {_MAIN} at its top, or in the"
        f" {_PACKAGE} of its only package"
    )
