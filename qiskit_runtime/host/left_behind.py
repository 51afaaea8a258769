"""What programs leave behind in folders, and how to be rid of it. Standard library only.

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

    What can't be removed stays, as does the rest once ``is_stopped``. Raises nothing of the system.
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
    """Let the owner into a folder, or at a file, that a program has shut. Links are left alone."""
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
    """Remove the files of a folder, and take the folders in it apart; whether anything changed.

    The folders below those come up into ``top`` and wait for the next round, so that no depth is
    too great, and no list of names is held.
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
    """Remove what is no folder; whether it is gone."""
    try:
        os.unlink(name, dir_fd=dir_fd)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _open_folder(name: str | Path, dir_fd: int | None) -> int:
    """A descriptor of the folder, whose owner may do everything in it from now on."""
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
