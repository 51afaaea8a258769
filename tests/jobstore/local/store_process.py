"""Opens a local store in a process of its own, to be killed: ``test_restart`` runs it.

``python -m tests.jobstore.local.store_process FOLDER [NAME=SOURCE ...]`` submits a job of each
program, prints ``{"name": "job id"}`` as one line of JSON, and serves until it is ended.
"""

import asyncio
import json
import sys
from pathlib import Path

from api.jobstore.local.store import RunnerLimits
from tests.jobstore.store_under_test import open_local_store


async def serve(folder: Path, sources: list[str]) -> None:
    """Submit the jobs in their order, then let them run."""
    async with open_local_store(folder, RunnerLimits(workers=3)) as jobs:
        ids = {}
        for entry in sources:
            name, _, source = entry.partition("=")
            ids[name] = (await jobs.submit(source, '{"name": "Grüße"}')).id
        print(json.dumps(ids), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), sys.argv[2:]))
