"""``python -m tests.faults [ID ...]``: run faults, and print the jobs' lives and the violations."""

import sys
import tempfile
from pathlib import Path

from tests.cluster.stand import open_stand
from tests.cluster.target import find_missing
from tests.faults import nodes
from tests.faults.history import find_violations
from tests.faults.recorder import Recorder, describe
from tests.faults.scripts import OPTIONS, SCRIPTS


def main(ids: list[str]) -> int:
    """Run them one after the other; returns the exit code. Without ids: those of one node."""
    if missing := find_missing():
        print(missing)
        return 2
    found = []
    for fault in ids or SCRIPTS:
        script = (SCRIPTS | nodes.SCRIPTS)[fault]
        options = nodes.OPTIONS if fault in nodes.SCRIPTS else OPTIONS.get(fault, {})
        print(f"{fault}: {script.__doc__}")
        with tempfile.TemporaryDirectory() as folder, open_stand(Path(folder), **options) as stand:
            with Recorder(stand) as recorder:
                script(stand, recorder)
                recorder.read_results()
            print(describe(recorder.history))
        violations = find_violations(recorder.history)
        print(f"  violations: {violations or 'none'}", flush=True)
        found += violations
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
