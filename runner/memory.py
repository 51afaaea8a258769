"""A job's memory: what its processes hold and may take, and whether the kernel killed one for it.

Used by the supervisor and the program process. Standard library only.
"""

import os

from qiskit_runtime.host.process_tree import descendants

_CGROUPS = "/sys/fs/cgroup"
_NO_LIMIT = 1 << 60


def held_by_descendants(limit: int = 0) -> int:
    """Return the bytes that this process's descendants hold; 0 where the system can't tell.

    Memory that several of them share is counted once, which takes a walk through their pages: so
    only where the sum is more than ``limit``. What they share with other processes too, as one that
    was forked does with the zygote, is theirs: at least as much as one of them holds.
    """
    pids = [*descendants(os.getpid())]
    held = [*map(_held_bytes, pids)]
    if sum(held) <= limit or len(held) == 1:
        return sum(held)
    return min(sum(held), max(sum(map(_share, pids)), *held))


def _held_bytes(pid: int) -> int:
    """Return the memory of a process without files' pages: its own, and what it shares."""
    fields = _read_sizes(f"/proc/{pid}/status")
    return fields.get("RssAnon", 0) + fields.get("RssShmem", 0)


def _share(pid: int) -> int:
    """Return the memory of a process, with shared pages divided among those who share them."""
    # A process can close this file to others.
    fields = _read_sizes(f"/proc/{pid}/smaps_rollup")
    if "Pss_Anon" in fields:
        return fields["Pss_Anon"] + fields.get("Pss_Shmem", 0)
    return fields.get("Pss", _held_bytes(pid))


def _read_sizes(path: str) -> dict[str, int]:
    """Return the lines ``name: number kB`` of a file of /proc, in bytes."""
    try:
        lines = _read_text(path).splitlines()
    except OSError:
        return {}
    fields = (line.split() for line in lines if line.endswith(" kB"))
    return {name.rstrip(":"): int(size) << 10 for name, size, _ in fields}


def available_bytes(limit: int = 0) -> int:
    """Return the bytes that this process may still take, or 0 where no limit is known.

    The limit is ``limit``, or else its cgroup's. Python, Qiskit and the job's parameters hold some
    of it already.
    """
    limit = limit or cgroup_limit() or 0
    return max(limit - _private_bytes(os.getpid())[0], 1) if limit else 0


def untouched_bytes() -> int:
    """Return the private memory that this process reserved and never used, as threads' stacks."""
    held, reserved = _private_bytes(os.getpid())
    return max(reserved - held, 0)


def _private_bytes(pid: int) -> tuple[int, int]:
    """Return the private bytes that a process holds, and those that it has reserved."""
    try:
        fields = _read_text(f"/proc/{pid}/statm").split()
    except OSError:
        return 0, 0
    page = os.sysconf("SC_PAGE_SIZE")
    return (int(fields[1]) - int(fields[2])) * page, int(fields[5]) * page


def oom_kills() -> int:
    """Return the number of processes of this cgroup that the kernel has killed for memory."""
    for name in ("memory.events", "memory.oom_control"):
        for line in _read_cgroup(name).splitlines():
            key, _, value = line.partition(" ")
            if key == "oom_kill":
                return int(value)
    return 0


def cgroup_limit() -> int | None:
    """Return the memory limit of this process's cgroup in bytes, or None."""
    for name in ("memory.max", "memory.limit_in_bytes"):
        text = _read_cgroup(name).strip()
        if text.isdigit() and int(text) < _NO_LIMIT:
            return int(text)
    return None


def _read_cgroup(name: str) -> str:
    """Return a file of this process's memory cgroup, of either version, or an empty text."""
    for folder in _cgroup_folders():
        try:
            return _read_text(f"{folder}/{name}")
        except OSError:
            continue
    return ""


def _cgroup_folders() -> list[str]:
    """Return the folders of this process's memory cgroup: below the kernel's path, and the top.

    In a container the files are at the top.
    """
    try:
        entries = _read_text("/proc/self/cgroup").splitlines()
    except OSError:
        return []
    folders = []
    for entry in entries:
        _, controllers, path = entry.split(":", 2)
        if controllers in ("", "memory"):
            top = f"{_CGROUPS}/{controllers}".rstrip("/")
            folders += [top + path.rstrip("/"), top]
    return folders


def _read_text(path: str) -> str:
    # Without pathlib, whose import is a tenth of a supervisor's start.
    with open(path) as file:  # noqa: PTH123  (starts faster)
        return file.read()
