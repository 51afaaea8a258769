"""Steps that all scripts of faults take: a job and its listeners, a printed moment, the end."""

import subprocess
from typing import Any

from tests.cluster.stand import Stand, wait_until
from tests.cluster.target import find_cluster
from tests.faults.recorder import Recorder, make_params

FRAMES = 60
PAUSE = 0.05


def say(recorder: Recorder, text: str) -> None:
    """Print a moment of the script."""
    print(f"  {recorder.seconds:6.2f} s  {text}", flush=True)


def submit(stand: Stand, recorder: Recorder, name: str, frames: int = FRAMES, listeners: int = 1,
           pause: float = PAUSE, **spec: Any) -> str:  # fmt: skip
    """A counting job, and who listens to it; ``spec`` is what its RuntimeJob says besides."""
    recorder.history.counts[name] = frames
    uid = stand.submit(name, "count", make_params(frames, pause), **spec)
    recorder.listen(name, listeners)
    return uid


def wait_for_end(stand: Stand, recorder: Recorder, seconds: float = 240.0) -> None:
    """All jobs have ended, and everybody who listened knows."""
    ended = ("Completed", "Failed", "Cancelled")
    wait_until(
        lambda: all(job["status"].get("phase") in ended for job in stand.jobs().values()),
        seconds,
        "all jobs have ended",
    )
    recorder.wait_for_listeners()


def kubectl(*arguments: str) -> None:
    """Run kubectl, which must succeed."""
    cluster = find_cluster()
    assert cluster
    subprocess.run([cluster.kubectl, *arguments], check=True, stdout=subprocess.DEVNULL)
