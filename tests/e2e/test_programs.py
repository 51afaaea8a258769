"""Every program of the library, and users' own, on the installed chart: one pod for each job."""

import base64
import io
import json
import subprocess
import sys
import tarfile
import time

import numpy
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit.library import efficient_su2, real_amplitudes
from qiskit.primitives import PrimitiveResult
from qiskit.quantum_info import SparsePauliOp

from qiskit_runtime.serialization import RuntimeDecoder, RuntimeEncoder
from tests.cluster.installed import make_name

pytestmark = pytest.mark.cluster

H2 = [
    ["II", -1.052373], ["IZ", 0.397937], ["ZI", -0.397937], ["ZZ", -0.011280], ["XX", 0.180931],
]  # fmt: skip
RING = [["IIZZ", 1.0], ["IZZI", 1.0], ["ZZII", 1.0], ["ZIIZ", 1.0]]


def encode(params):
    """Parameters as a client sends them: values that plain JSON lacks in their tagged form."""
    return json.loads(json.dumps(params, cls=RuntimeEncoder))


def run(installed, program, params=None, **more):
    """Post a job and wait until it completes; return its decoded result and its status."""
    name = installed.post(program, encode(params or {}), **more)
    status = installed.wait(name)["status"]
    assert status["phase"] == "Completed", status
    text = installed.http.get(f"/jobs/{name}/results").json()
    return json.loads(text, cls=RuntimeDecoder), status


def bell(measured=True):
    """A pair of qubits that are always alike."""
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    if measured:
        circuit.measure_all()
    return circuit


def test_circuit_runner(installed):
    """A bell circuit gives 00 and 11, and its counts can be had again by the seed on the status."""
    params = {"circuits": bell(), "shots": 2000}
    result, status = run(installed, "circuit-runner", params)
    counts = result["results"][0]["data"]["counts"]
    assert set(counts) == {"0x0", "0x3"} and sum(counts.values()) == 2000
    seed = status["seeds"]["simulator"]
    again, after = run(installed, "circuit-runner", params | {"seed_simulator": seed})
    assert again["results"][0]["data"]["counts"] == counts
    assert after["seeds"] == {"simulator": seed}
    assert {"python", "qiskit", "aer", "image", "program"} <= set(after["versions"])


def test_vqe(installed):
    """The ground state of H2, exactly."""
    params = {
        "ansatz": real_amplitudes(2, reps=2), "operator": H2, "shots": None,
        "optimizer": {"name": "COBYLA", "maxiter": 400}, "seed_simulator": 7,
    }  # fmt: skip
    result, status = run(installed, "vqe", params)
    assert result["optimal_value"] == pytest.approx(-1.857275, abs=1e-4)
    assert status["progress"]["done"] == status["progress"]["total"]
    assert status["progress"]["best"] == pytest.approx(result["optimal_value"], abs=1e-6)


def test_vqe_by_spsa_with_shots(installed):
    """The tutorial's case: ZZII comes near -1 by SPSA with shots."""
    params = {
        "ansatz": efficient_su2(4, reps=1, entanglement="linear"),
        "operator": SparsePauliOp(["ZZII"]), "optimizer": {"name": "SPSA", "maxiter": 50},
        "seed_simulator": 10,
    }  # fmt: skip
    result, _ = run(installed, "vqe", params)
    assert result["optimal_value"] < -0.9


def test_quantum_kernel_alignment(installed):
    """The cost falls with each step, and the kernel is one."""
    rng = numpy.random.default_rng(3)
    labels = numpy.tile([1, -1], 4)
    data = rng.normal(size=(8, 4)) * 0.2 + labels[:, None]
    params = {
        "feature_map": {"feature_dimension": 4, "entangler_map": [[0, 1]]},
        "data": data, "labels": labels, "initial_kernel_parameters": [0.1], "maxiters": 3,
        "seed_simulator": 5,
    }  # fmt: skip
    result, status = run(installed, "quantum-kernel-alignment", params)
    matrix = numpy.array(result["aligned_kernel_matrix"])
    assert matrix.shape == (8, 8) and numpy.allclose(numpy.diag(matrix), 1)
    assert status["progress"]["done"] == status["progress"]["total"]


def test_qaoa(installed):
    """The best cut of a ring of four, which two layers find."""
    params = {
        "operator": RING, "reps": 2, "shots": None, "seed_simulator": 2,
        "optimizer": {"name": "COBYLA", "maxiter": 300}, "initial_point": [0.6, 0.6, 0.6, 0.6],
    }  # fmt: skip
    result, _ = run(installed, "qaoa", params)
    assert -4.001 <= result["optimal_value"] < -3


def test_sample_vqe(installed):
    """The singlet of XX + YY + ZZ has the energy -3."""
    params = {
        "hamiltonian": [[1, "XX"], [1, "YY"], [1, "ZZ"]], "optimizer": "COBYLA",
        "shots": None, "optimizer_config": {"maxiter": 400}, "seed_simulator": 3,
    }  # fmt: skip
    result, _ = run(installed, "sample-vqe", params)
    assert result["fun"] < -2.5


def test_sample_expval(installed):
    """ZZZZ of a GHZ state is 1 and IZZZ is 0."""
    ghz = QuantumCircuit(4)
    ghz.h(0)
    for qubit in range(3):
        ghz.cx(qubit, qubit + 1)
    ghz.measure_all()
    result, _ = run(
        installed, "sample-expval", {"circuits": ghz, "expectation_operators": ["ZZZZ", "IZZZ"]}
    )
    values = numpy.ravel(result)
    assert values[:2] == pytest.approx([1, 0], abs=0.1)


@pytest.mark.parametrize("program", ["hello-world", "sample-program"])
def test_random_circuits(installed, program):
    """Two iterations are two interim results and the last word."""
    name = installed.post(program, {"iterations": 2})
    frames = [json.loads(frame) for _, frame in installed.listen(name)]
    assert [sum(frame["counts"].values()) for frame in frames[:2]] == [1024, 1024]
    assert len(frames) == 3


def test_sampler(installed):
    """Today's client's parameters give a PrimitiveResult with the shots that were asked for."""
    result, _ = run(installed, "sampler", {"pubs": [[bell(), None, 500]], "version": 2})
    assert isinstance(result, PrimitiveResult)
    counts = result[0].data.meas.get_counts()
    assert set(counts) == {"00", "11"} and sum(counts.values()) == 500


def test_estimator(installed):
    """ZZ and XX of a bell pair are 1 and ZI is 0, exactly where precision is 0."""
    params = {"pubs": [[bell(measured=False), [{"ZZ": 1.0}, {"XX": 1.0}, {"ZI": 1.0}], None, 0]]}
    result, _ = run(installed, "estimator", params)
    assert isinstance(result, PrimitiveResult)
    assert numpy.allclose(result[0].data.evs, [1, 1, 0], atol=1e-6)


SLOW = '''"""Counts up, a step a second."""
import time

def main(backend, user_messenger, steps: int = 4):
    for step in range(steps):
        user_messenger.report_progress(step + 1, steps, best=-step)
        time.sleep(1)
    return {"version": VERSION}
'''


def upload(installed, name, source, **fields):
    """Post a program, after a namesake is deleted; return its id."""
    installed.http.delete(f"/programs/{name}")
    body = {"name": name, "data": base64.b64encode(source).decode(), **fields}
    answer = installed.http.post("/programs", json=body)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()["id"]


def test_uploaded_program_is_served_versioned_and_pinned(installed):
    """A job runs what it was posted with, though the program is changed and deleted meanwhile."""
    program = upload(installed, make_name(), SLOW.replace("VERSION", "1").encode())
    first = installed.post(program, {"steps": 4})
    changed = installed.http.put(
        f"/programs/{program}/data",
        content=SLOW.replace("VERSION", "2").encode(),
        headers={"Content-Type": "application/octet-stream"},
    )
    assert changed.is_success, changed.text
    second = installed.post(program, {"steps": 1})
    assert installed.http.get(f"/programs/{program}").json()["version"] == "2"
    assert installed.http.delete(f"/programs/{program}").status_code == 204
    assert installed.http.get(f"/programs/{program}").status_code == 404
    for name, version in ((first, 1), (second, 2)):
        status = installed.wait(name)["status"]
        assert json.loads(status["result"]) == {"version": version}
        assert status["versions"]["program"] == str(version)


def test_progress_shows_while_a_job_runs_and_at_its_end(installed):
    """The job's status, kubectl's wide columns and the stream show a program's progress."""
    program = upload(installed, make_name(), SLOW.replace("VERSION", "1").encode())
    name = installed.post(program, {"steps": 15})
    seen = set()
    while installed.job(name)["status"] in ("Queued", "Running"):
        seen.add((installed.job(name)["progress"] or {}).get("done"))
        time.sleep(0.3)
    # Written at most every ten seconds: while it ran, and at its end.
    assert len(seen - {None, 15}) >= 1
    assert installed.job(name)["progress"] == {"done": 15, "total": 15, "best": -14}
    header, row = installed.kubectl("get", "rj", name, "-o", "wide").splitlines()
    assert {"DONE", "TOTAL", "BEST"} <= set(header.split())
    assert " 15 " in row and " -14 " in row


def test_archive_of_a_package_is_unpacked_in_its_pod(installed):
    """A program of several modules, uploaded as a tar archive."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, text in {
            "doubling/__init__.py": "from .numbers_of import two\n\n"
            "def main(backend, user_messenger, x: int):\n    return two() * x\n",
            "doubling/numbers_of.py": "def two():\n    return 2\n",
        }.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    program = upload(installed, make_name(), packed.getvalue())
    result, _ = run(installed, program, {"x": 21})
    assert result == 42


def test_applied_program_is_served_at_once(installed):
    """A program from kubectl is listed, checks parameters, runs, and may be deleted meanwhile."""
    name = make_name()
    schema = {"properties": {"steps": {"type": "integer", "minimum": 1}}}
    spec = {"source": SLOW.replace("VERSION", "'k'"), "parameters": schema, "version": "0.9"}
    installed.apply("RuntimeProgram", name, spec)
    refused = installed.http.post("/jobs", json=post_body(name, {"steps": 0}))
    assert refused.status_code == 422 and "params.steps" in refused.text
    posted = installed.post(name, {"steps": 3})
    listed = {p["id"]: p for p in installed.http.get("/programs").json()["programs"]}
    assert listed[name]["version"] == "0.9"
    by_kubectl = installed.submit(name, {"steps": 3})
    installed.wait(by_kubectl, "Running", "Completed")
    installed.kubectl("delete", "rprog", name)
    for job in (posted, by_kubectl):
        status = installed.wait(job)["status"]
        assert status["phase"] == "Completed", status
        assert json.loads(status["result"]) == {"version": "k"}
        assert status["versions"]["program"] == "0.9"
    assert installed.http.post("/jobs", json=post_body(name, {})).status_code == 404


def post_body(program, params):
    """The body of POST /jobs."""
    names = {"hub": "h", "group": "g", "project": "p", "backend": "aer_simulator"}
    return {"programId": program, "params": [json.dumps(params)], **names}


def test_job_of_kubectl_is_compared_with_its_programs_schema(installed):
    """Parameters that can't be cost no pod, and say where they are wrong."""
    name = installed.submit("sample-program", {"iterations": -1})
    status = installed.wait(name)["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "InvalidParams")
    assert "params.iterations" in status["message"] and "podName" not in status


def test_mistake_of_a_user_shows_its_line_everywhere(installed, tmp_path):
    """The command line, the REST logs and kubectl describe name file, line and text."""
    file = tmp_path / "broken_program.py"
    file.write_text("def main(backend, user_messenger):\n    nothing = []\n    return nothing[3]\n")
    command = [sys.executable, "-m", "api.cli", "run", str(file)]
    command += ["--url", installed.url, "--token", installed.token]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "line 3, in main" in done.stdout and "return nothing[3]" in done.stdout
    sentence = "IndexError: list index out of range (broken_program.py, line 3: return nothing[3])"
    assert sentence in done.stderr.replace("\n", " ")
    name = done.stderr.split("Job ")[1].split()[0]
    assert "line 3, in main" in installed.http.get(f"/jobs/{name}/logs").json()
    assert sentence in installed.kubectl("describe", "rj", name)


def test_forty_qubits_are_refused_at_once(installed):
    """A dense circuit that no memory holds fails with the numbers, and is not killed for them."""
    circuit = QuantumCircuit(40)
    for qubit in range(40):
        circuit.ry(0.3, qubit)
    for qubit in range(39):
        circuit.cx(qubit, qubit + 1)
    circuit.measure_all()
    name = installed.post("circuit-runner", encode({"circuits": circuit}))
    status = installed.wait(name)["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "TooLarge")
    assert "16 TiB of memory" in status["message"] and "40 qubits" in status["message"]
    assert status["usage"]["seconds"] < 10


def test_backend_of_kubectl_is_served_and_used(installed):
    """A RuntimeBackend with noise, a coupling map and a fixed seed: REST shows it, jobs have it."""
    name = make_name()
    spec = {
        "description": "Two qubits that are read wrongly", "qubits": 2, "couplingMap": [[0, 1]],
        "basisGates": ["rz", "sx", "x", "cx"], "seed": {"policy": "Fixed", "value": 11},
        "noise": {"readout": {"prob1Given0": 0.2, "prob0Given1": 0.0}},
    }  # fmt: skip
    installed.apply("RuntimeBackend", name, spec)
    shown = installed.http.get(f"/backends/{name}").json()
    assert shown["noise"]["readout"]["prob1Given0"] == 0.2
    assert shown["couplingMap"] == [[0, 1]] and shown["seed"]["value"] == 11
    zeros = QuantumCircuit(1)
    zeros.measure_all()
    params = {"circuits": zeros, "shots": 4000}
    results = [run(installed, "circuit-runner", params, backend=name) for _ in range(2)]
    counts = [result["results"][0]["data"]["counts"] for result, _ in results]
    assert counts[0] == counts[1]
    assert counts[0]["0x1"] / 4000 == pytest.approx(0.2, abs=0.04)
    assert [status["seeds"]["simulator"] for _, status in results] == [11, 11]
    installed.kubectl("delete", "rbackend", name)
