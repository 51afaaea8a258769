"""Files of the data folder: written so that they last, read so that nobody waits.

Programs have the rights of the server's user, and may put anything in a file's place: a FIFO, a
device, a link, a folder, a file without end. None of it is opened, and all of it is written over.
"""

import errno
import logging
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

from qiskit_runtime.host.descriptors import write_all
from qiskit_runtime.host.left_behind import remove_tree, take_rights

_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC

T = TypeVar("T")

logger = logging.getLogger(__name__)

NO_ROOM = (OSError, RuntimeError)
"""The errors of a disk or a system that is full; the second where no thread can be started."""


def load_entries(folder: Path, name: str, load: Callable[[Path], T]) -> Iterator[T]:
    """Yield what ``load`` makes of the file of this name in each folder of a folder.

    A damaged one (OSError, ValueError) is left alone, with a warning.
    """
    try:
        with os.scandir(folder) as entries:
            names = sorted(each.name for each in entries if each.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return
    for each in names:
        path = folder / each / name
        try:
            yield load(path)
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            logger.warning("%s is left alone: %s", path, error)


def measure_tree(folder: Path) -> int:
    """The bytes on the disk of all files below a folder; links and what is shut count nothing."""
    size, left = 0, [os.fspath(folder)]
    while left:
        with suppress(OSError), os.scandir(left.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    left.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    with suppress(FileNotFoundError):
                        size += entry.stat(follow_symlinks=False).st_blocks * 512
    return size


def read_plain(path: Path, limit: int) -> bytes:
    """All of a file.

    Raises:
        OSError: it can't be read, is no plain file, or is larger than ``limit``.
    """
    with open_plain(path) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"it is larger than {limit} bytes", str(path))
    return data


def open_plain(path: Path) -> BinaryIO:
    """Open a file for reading; one that a program has shut to its owner, too.

    Raises:
        OSError: it can't be read, or is no plain file.
    """
    try:
        return open(_open_checked(path, _READ), "rb")
    except PermissionError:
        take_rights(path.parent)
        take_rights(path)
        return open(_open_checked(path, _READ), "rb")


def open_new(path: Path) -> int:
    """A descriptor of a new, empty file, in the place of whatever is there."""
    remove_tree(path)
    return os.open(path, _WRITE | os.O_CREAT | os.O_EXCL, 0o600)


def replace_file(path: Path, data: bytes, *, room: Path | None = None) -> None:
    """Write a file in one step; it is on the disk when this returns.

    The bytes are written into ``room``, a file that ``reserve`` made, where that is given: so they
    have a place on a disk that is full by now.
    """
    draft = room or path.with_name(f"{path.name}.tmp")
    file = _open_room(draft) if room else open_new(draft)
    try:
        write_all(file, data)
        os.ftruncate(file, len(data))
        os.fsync(file)
    finally:
        os.close(file)
    try:
        draft.replace(path)
    except OSError:
        # A folder, which no file replaces.
        remove_tree(path)
        draft.replace(path)
    sync_folder(path.parent)


def write_file(path: Path, data: bytes) -> None:
    """Write a new file; it is on the disk when this returns, its name once its folder is synced."""
    file = open_new(path)
    try:
        write_all(file, data)
        os.fsync(file)
    finally:
        os.close(file)


def reserve(path: Path, size: int) -> None:
    """Take room on the disk for ``replace_file``."""
    file = open_new(path)
    try:
        write_all(file, bytes(size))
    finally:
        os.close(file)


def own_folder(folder: Path) -> Path:
    """Have the folder be there, be none of a link's, and let its owner in; returns it."""
    try:
        mode = folder.lstat().st_mode
    except FileNotFoundError:
        folder.mkdir(mode=0o700)
        return folder
    if not stat.S_ISDIR(mode):
        remove_tree(folder)
        folder.mkdir(mode=0o700)
    elif mode & stat.S_IRWXU != stat.S_IRWXU:
        take_rights(folder)
    return folder


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(held)
    finally:
        os.close(held)


def _open_checked(path: Path, flags: int) -> int:
    # Looked at before it is opened too: opening a device may do something.
    if stat.S_ISREG(path.lstat().st_mode):
        file = os.open(path, flags)
        if stat.S_ISREG(os.fstat(file).st_mode):
            return file
        os.close(file)
    raise OSError(errno.EINVAL, "it is no plain file", str(path))


def _open_room(path: Path) -> int:
    """The file that ``reserve`` made, or a new one in its place."""
    with suppress(OSError):
        file = _open_checked(path, _WRITE)
        if os.fstat(file).st_nlink == 1:
            return file
        # It is a file of another name as well, which is not ours to write to.
        os.close(file)
    return open_new(path)
