"""The official client as it is installed here, against a server of its own.

Each script is a process with the environment of an unmodified user.
"""

import json
import os
import subprocess
import sys
from contextlib import contextmanager

from tests.api.conftest import run_server

CRN = "crn:v1:bluemix:public:quantum-computing:us-east:a/local:1::"


@contextmanager
def serve_official_client(folder, prelude, seconds):
    """A function that runs a script after the prelude, and returns what it prints as JSON.

    A script that takes longer than so many seconds fails.
    """
    with run_server(folder) as server:
        url = f"http://127.0.0.1:{server.port}"
        environment = os.environ | {
            "IAM_URL": url,
            "QISKIT_FUNCTIONS_EXPERIMENTAL": "1",
            "QISKIT_IBM_TOKEN": "anything",
            "QISKIT_IBM_INSTANCE": CRN,
            "QISKIT_IBM_URL": f"{url}/experimental",
            "HOME": str(folder),
        }

        def call(script):
            done = subprocess.run(
                [sys.executable, "-W", "ignore", "-c", prelude + script],
                env=environment,
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            assert "invalid server-side configuration" not in done.stderr
            return json.loads(done.stdout)

        yield call
