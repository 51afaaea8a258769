"""The program process: imports Qiskit and Aer, waits for its job, and calls the program's main.

Started by the supervisor as ``python -m runner.program_process FD``, FD being its end of the
channel, or forked by the zygote, which has the imports done. The only process in which a user's
code runs and a user's data is decoded.
"""

import atexit
import gc
import json
import logging
import os
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from select import select
from typing import Any

from qiskit_runtime.contract.wire.job_input import ENTRY_POINT, JobInput, parse_job_input
from qiskit_runtime.messenger import UserMessenger
from qiskit_runtime.serialization import RuntimeDecoder
from runner.channel import ChannelBroken, Kind, receive
from runner.job_log import open_log
from runner.job_seed import choose_seed, pass_seed, use_seed
from runner.memory import untouched_bytes
from runner.moved_names import honour_unused_imports
from runner.process_end import end_process
from runner.processes import die_with_parent
from runner.program_failure import InvalidParams, describe_failure
from runner.program_output import ProgramOutput, open_console
from runner.program_source import import_program, locate

_SPINS = "3000"
"""How often a thread of Aer looks for more work before it sleeps, if the user has set nothing.

Of OpenMP's own number, threads burn more of a processor than a small circuit takes: all the time
between two runs, also of other jobs' processors."""

logger = logging.getLogger("runner")


def main() -> int:
    """Run one job in a process that was started for it; returns the process's exit code."""
    channel = int(sys.argv[1])
    return run_one(channel, lambda: _load(channel))


def run_one(channel: int, load: Callable[[], dict[str, str]]) -> int:
    """Run one job; returns the process's exit code.

    ``channel`` is the process's end of the channel to its parent, the supervisor. ``load`` has the
    imports done, and returns the versions of what was imported.
    """
    die_with_parent()
    connection = socket.socket(fileno=channel)
    output = ProgramOutput(connection, open_console())
    atexit.register(output.flush)
    output.start_flushing()
    output.send_fields(Kind.VERSIONS, load())
    try:
        _, document = receive(channel)
    except ChannelBroken:
        # The supervisor ended before it had a job: nobody is left to send anything to.
        return 1
    messenger = UserMessenger(output.publish, output.report)
    try:
        return _run(parse_job_input(document), messenger, output)
    finally:
        output.send_progress()


def _load(channel: int) -> dict[str, str]:
    versions = preload()
    # What is there now is neither the program's garbage nor a file that it has opened.
    gc.freeze()
    if not select([channel], [], [], 0)[0]:
        # The job is still to come, so that nobody waits for this.
        preload_rest()
    return versions


def preload() -> dict[str, str]:
    """Import what every program needs, before there is a job; returns the versions."""
    was_set = "GOMP_SPINCOUNT" in os.environ
    if "OMP_WAIT_POLICY" not in os.environ:
        # Read by Aer's OpenMP as it is loaded; not for what the program starts.
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)
    import qiskit
    import qiskit_aer

    import runner.quantum_backend  # noqa: F401  (its imports are what is wanted)
    from runner.transpiler_plugins import load_on_demand

    load_on_demand()
    if not was_set:
        os.environ.pop("GOMP_SPINCOUNT", None)
    version = ".".join(map(str, sys.version_info[:3]))
    return {"python": version, "qiskit": qiskit.__version__, "aer": qiskit_aer.__version__}


def preload_rest() -> None:
    """Do what takes time and not every program needs, while no job waits for it."""
    from runner.quantum_backend import rehearse

    rehearse()


def _run(job: JobInput, messenger: UserMessenger, output: ProgramOutput) -> int:
    _apply_limits(job)
    process = os.getpid()
    # The entry file of an archive is known only after it is unpacked.
    entry = Path(job.program)
    try:
        entry = locate(job.program, Path("source"))
        _call_program(job, entry, messenger, output)
    except SystemExit:
        # A program may choose its exit code, as any Python program may.
        raise
    except BaseException as error:
        output.flush()
        if os.getpid() != process:
            # A fork that came out of main: its failure is not the job's, and is only printed.
            traceback.print_exc(file=sys.stdout)
            output.flush()
            os._exit(1)
        _send_failure(error, entry, output)
        return 1
    finally:
        output.flush()
    return 0


def _apply_limits(job: JobInput) -> None:
    open_log(job.log_level)
    if job.memory_bytes:
        # So that a large array is a MemoryError with its line, before the supervisor has to kill.
        # The kernel counts reserved memory: over 1 GiB once the libraries have their threads.
        limit = job.memory_bytes + untouched_bytes()
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _call_program(
    job: JobInput, path: Path, messenger: UserMessenger, output: ProgramOutput
) -> None:
    # Imported by preload already.
    from runner.quantum_backend import make_backend

    params = _decode_params(job.params)
    seed = choose_seed(params, job.backend)
    # Before the import, whose lines may draw numbers too.
    use_seed(seed)
    honour_unused_imports()
    program = import_program(path)
    entry: Callable[..., Any] | None = getattr(program, ENTRY_POINT, None)
    if not callable(entry):
        raise AttributeError(
            f"the program has no function {ENTRY_POINT}(backend, user_messenger, **params)"
        )
    if pass_seed(seed, entry, params):
        output.send(Kind.SEED, b"%d" % seed)
    backend = make_backend(job.backend, job.memory_bytes, seed)
    logger.debug("the program %s, the backend %s, the seed %d", path.stem, backend.name, seed)
    try:
        # Newer programs return their result.
        messenger.publish_returned(entry(backend, messenger, **params))
    finally:
        output.send_circuits(backend.circuit_metrics)


def _decode_params(text: str) -> dict[str, Any]:
    try:
        params = json.loads(text, cls=RuntimeDecoder)
    except MemoryError:
        raise
    except Exception as error:
        raise InvalidParams(f"params: {error}") from error
    if not isinstance(params, dict):
        raise InvalidParams(f"params: an object of keyword arguments, not {type(params).__name__}")
    return params


def _send_failure(error: BaseException, entry: Path, output: ProgramOutput) -> None:
    failure = describe_failure(error, entry, _call_program.__code__)
    output.send(Kind.TRACEBACK, failure.traceback)
    output.send_fields(Kind.ERROR, {"reason": failure.reason, "message": failure.message})


if __name__ == "__main__":
    end_process(main)
