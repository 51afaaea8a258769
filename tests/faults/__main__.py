"""``python -m tests.faults [ID ...]``: run faults, and print the jobs' lives and the violations."""

import sys
import tempfile
from pathlib import Path

from tests.cluster.stand import open_stand
from tests.cluster.target import find_missing
from tests.faults.history import find_violations
from tests.faults.recorder import Recorder, describe
from tests.faults.scripts import OPTIONS, SCRIPTS


def main(ids: list[str]) -> int:
    """Run them one after the other; returns the exit code."""
    if missing := find_missing():
        print(missing)
        return 2
    found = []
    for fault in ids or SCRIPTS:
        print(f"{fault}: {SCRIPTS[fault].__doc__}")
        options = OPTIONS.get(fault, {})
        with tempfile.TemporaryDirectory() as folder, open_stand(Path(folder), **options) as stand:
            with Recorder(stand) as recorder:
                SCRIPTS[fault](stand, recorder)
                recorder.read_results()
            print(describe(recorder.history))
        violations = find_violations(recorder.history)
        print(f"  violations: {violations or 'none'}", flush=True)
        found += violations
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
