"""The removal of folders that programs leave behind. Standard library only.

A program can leave folders thousands deep, links that lead anywhere, FIFOs, and folders that even
their owner may not enter. Nothing here recurses, follows a link, or waits for another process.
"""

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OWNER = stat.S_IRWXU


def remove_tree(path: Path, *, is_stopped: Callable[[], bool] = lambda: False) -> bool:
    """Remove a file, a link, or a folder with all that is below; returns whether it is gone.

    Entries that can't be removed stay, as does the rest once ``is_stopped``. Raises no OSError.
    """
    with suppress(OSError):
        if not _unlink(path, None):
            folder = _open_folder(path, None)
            try:
                while _thin_out(folder, is_stopped):
                    pass
            finally:
                os.close(folder)
            path.rmdir()
    return not os.path.lexists(path)


def take_rights(path: str | Path, dir_fd: int | None = None) -> None:
    """Give the owner access to a folder or file that a program has closed; not through links."""
    with suppress(OSError):
        if not hasattr(os, "O_PATH"):  # macOS, which can do it without following links
            mode = os.stat(path, dir_fd=dir_fd, follow_symlinks=False).st_mode
            # Path.chmod takes no dir_fd.
            os.chmod(path, mode | _OWNER, dir_fd=dir_fd, follow_symlinks=False)
            return
        held = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd)
        try:
            mode = os.fstat(held).st_mode
            if stat.S_ISDIR(mode) or stat.S_ISREG(mode):
                Path(f"/proc/self/fd/{held}").chmod(stat.S_IMODE(mode) | _OWNER)
        finally:
            os.close(held)


def _thin_out(top: int, is_stopped: Callable[[], bool]) -> bool:
    """Remove the files of a folder, and take the folders in it apart; returns whether it changed.

    The folders below those move up into ``top`` and wait for the next round, so that any depth is
    handled without a list of names.
    """
    changed = False
    with os.scandir(top) as entries:
        for entry in entries:
            if is_stopped():
                return False
            if entry.is_dir(follow_symlinks=False):
                changed |= _take_apart(entry.name, top)
            else:
                changed |= _unlink(entry.name, top)
    return changed


def _take_apart(name: str, top: int) -> bool:
    """Remove the files of one folder, move its folders into ``top``, and remove it if it can be."""
    changed = False
    try:
        folder = _open_folder(name, top)
    except OSError:
        return False
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    changed |= _move_up(entry.name, folder, top)
                else:
                    changed |= _unlink(entry.name, folder)
    finally:
        os.close(folder)
    with suppress(OSError):
        os.rmdir(name, dir_fd=top)
        changed = True
    return changed


def _move_up(name: str, folder: int, top: int) -> bool:
    # A folder that changes its parent must be writable itself.
    take_rights(name, folder)
    try:
        os.rename(name, os.urandom(16).hex(), src_dir_fd=folder, dst_dir_fd=top)
    except OSError:
        return False
    return True


def _unlink(name: str | Path, dir_fd: int | None) -> bool:
    """Remove a file or link; returns whether it is gone, which a folder is not."""
    try:
        os.unlink(name, dir_fd=dir_fd)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _open_folder(name: str | Path, dir_fd: int | None) -> int:
    """Return a descriptor of the folder, with all rights in it for its owner."""
    try:
        folder = os.open(name, _FOLDER, dir_fd=dir_fd)
    except PermissionError:
        take_rights(name, dir_fd)
        folder = os.open(name, _FOLDER, dir_fd=dir_fd)
    mode = stat.S_IMODE(os.fstat(folder).st_mode)
    if mode & _OWNER != _OWNER:
        with suppress(OSError):
            os.fchmod(folder, mode | _OWNER)
    return folder
