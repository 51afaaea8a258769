"""The official client as it is installed here, in a process of its own, by the printed environment.

``tests/clients`` has its versions, each in an environment of its own, and every public method.
"""

import json
import os
import subprocess
import sys
import textwrap
import time

import pytest

from tests.api.conftest import run_server

TOKEN = "open-sesame"

PRELUDE = """
import json, logging, time, warnings
warnings.simplefilter("ignore")
logging.disable(logging.WARNING)
from qiskit import QuantumCircuit
from qiskit_ibm_runtime import QiskitRuntimeService, SamplerV2
from qiskit_ibm_runtime import exceptions

bell = QuantumCircuit(2)
bell.h(0)
bell.cx(0, 1)
bell.measure_all()

def name_error(call):
    try:
        call()
    except Exception as error:
        return [type(error).__name__, str(error)]
    return None
"""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A server that asks for a token."""
    with run_server(tmp_path_factory.mktemp("guarded"), RUNTIME_TOKEN=TOKEN) as running:
        yield running


def run_client(server, script, *, token=TOKEN, options=""):
    """Run a script in a shell with the lines of ``env``; returns what it printed last, as JSON."""
    quiet = {name: value for name, value in os.environ.items() if "QISKIT_IBM" not in name}
    command = f"{sys.executable} -m api.cli env --show-token {options}"
    done = subprocess.run(
        ["bash", "-c", f'set -e; eval "$({command})"; exec {sys.executable} -'],
        input=PRELUDE + textwrap.dedent(script),
        env=quiet | {"RUNTIME_URL": f"http://127.0.0.1:{server.port}", "RUNTIME_TOKEN": token},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.timeout(120)
def test_the_printed_environment_is_all_that_it_needs(guarded):
    """The service without an argument runs a bell circuit, and finds its job again."""
    found = run_client(
        guarded,
        """
        service = QiskitRuntimeService()
        backend = service.backend("aer_simulator")
        job = SamplerV2(backend).run([bell], shots=100)
        counts = job.result()[0].data.meas.get_counts()
        again = service.job(job.job_id())
        job.update_tags(["one", "two"])
        print(json.dumps({
            "counts": counts,
            "status": again.status(),
            "found": [one.job_id() for one in service.jobs(job_tags=["one", "two"])],
            "id": job.job_id(),
            "metrics": job.metrics(),
            "inputs": sorted(again.inputs),
        }))
        """,
    )
    assert sum(found["counts"].values()) == 100 and set(found["counts"]) <= {"00", "11"}
    assert found["status"] == "DONE"
    assert found["found"] == [found["id"]]
    assert found["metrics"]["num_circuits"] == 1 and found["metrics"]["num_qubits"] == [2]
    assert found["metrics"]["executions"] == 1
    assert {"pubs", "options", "version"} <= set(found["inputs"])


@pytest.mark.timeout(120)
def test_instances_are_chosen_by_what_discovery_finds(guarded):
    """With --discovery by name, plan, region and tag; what matches nothing is refused."""
    found = run_client(
        guarded,
        """
        def choose(**by):
            return QiskitRuntimeService(**by).active_instance()

        given = dict(instance="ibm-q/open/main")
        chosen = [choose(), choose(plans_preference=["open"]), choose(region="us-east"),
                  choose(tags=["main"])]
        import os
        account = dict(token=os.environ["QISKIT_IBM_TOKEN"], url=os.environ["QISKIT_IBM_URL"])
        chosen.append(choose(instance="ibm-q/open/main", **account))
        refused = [name_error(lambda by=by: choose(**by))[0] for by in (
            {"plans_preference": ["premium"]}, {"region": "eu-de"}, {"tags": ["other"]},
            {"instance": "no/such/one", **account})]
        instances = QiskitRuntimeService().instances()
        print(json.dumps([chosen, refused, instances]))
        """,
        options="--discovery --instance auto",
    )
    chosen, refused, [instance] = found
    assert chosen == [instance["crn"]] * 5
    assert refused == ["IBMInputValueError"] * 4
    assert (instance["name"], instance["plan"]) == ("ibm-q/open/main", "open")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("options", ["", "--discovery"], ids=["skip", "discovery"])
def test_a_wrong_token_fails_at_once(guarded, options):
    """The client does not wait a minute for it."""
    begun = time.monotonic()
    seconds, error = run_client(
        guarded,
        """
        begun = time.monotonic()
        error = name_error(lambda: QiskitRuntimeService().usage())
        print(json.dumps([time.monotonic() - begun, error]))
        """,
        token="another-token",
        options=options,
    )
    assert error is not None and error[0] in ("IBMNotAuthorizedError", "InvalidAccountError")
    assert seconds < 5
    assert time.monotonic() - begun < 60


@pytest.mark.timeout(120)
def test_errors_are_those_that_its_users_know(guarded):
    """A program that is not there, a time limit, a wrong option, a private and a deleted job."""
    found = run_client(
        guarded,
        """
        service = QiskitRuntimeService()

        def run(program, params, **options):
            return service._run(program, params, options={"backend": "aer_simulator", **options})

        slow = run("steps", {"steps": [["sleep", 60]]}, max_execution_time=1)
        broken = run("steps", {"steps": [["fail", "went wrong"]]})
        private = run("steps", {"steps": [["final", "secret"]]}, private=True)
        waiting = run("steps", {"steps": [["sleep", 60]]})
        service.delete_job(waiting.job_id())
        print(json.dumps({
            "unknown": name_error(lambda: run("nobodys", {})),
            "field": name_error(lambda: run("sampler", {"pubs": 1, "version": 2})),
            "tags": name_error(lambda: run("steps", {}, job_tags=["a" * 129])),
            "gone": name_error(lambda: service.job(waiting.job_id())),
            "over time": name_error(slow.result),
            "failed": name_error(broken.result),
            "traceback": broken.error_message(),
            "private": [private.result(), private.result(), private.inputs],
            "ended": name_error(private.cancel),
        }))
        """,
    )
    assert found["unknown"][0] == "RuntimeProgramNotFound"
    assert found["field"][0] == "IBMRuntimeError" and "params.pubs" in found["field"][1]
    assert "Error code: 400" in found["field"][1]
    assert "tags[0]" in found["tags"][1]
    assert found["gone"][0] == "RuntimeJobNotFound"
    assert found["over time"][0] == "RuntimeJobMaxTimeoutError"
    assert found["failed"][0] == "RuntimeJobFailureError" and "went wrong" in found["failed"][1]
    assert "went wrong" in found["traceback"]
    assert found["private"] == ["secret", None, {}]
    assert found["ended"][0] == "RuntimeInvalidStateError"


@pytest.mark.timeout(120)
def test_a_large_body_is_refused_with_its_limit(guarded):
    """30 MB of parameters get the reason, not a connection that breaks; 7 MB run."""
    found = run_client(
        guarded,
        """
        service = QiskitRuntimeService()

        def run(size):
            params = {"steps": [["ignore", "x" * size], ["final", size]]}
            return service._run("steps", params, options={"backend": "aer_simulator"})

        begun = time.monotonic()
        refused = name_error(lambda: run(30_000_000))
        print(json.dumps([refused, time.monotonic() - begun, run(7_000_000).result()]))
        """,
    )
    refused, seconds, result = found
    assert "413" in refused[1] and "8454144" in refused[1]
    assert seconds < 5
    assert result == 7_000_000
