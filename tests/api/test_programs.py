"""/programs and /backends, and the README's first program, word for word."""

import json

HELLO_QUANTUM = {
    "id": "hello-quantum",
    "name": "hello-quantum",
    "cost": 600,
    "description": "A simple test program.",
    "version": "1.0",
    "backendRequirements": None,
    "parameters": None,
    "returnValues": None,
    "isPublic": True,
    # As the clients of 2021 to 2023 read it.
    "max_execution_time": 300,
    "is_public": True,
    "creation_date": None,
    "update_date": None,
    "spec": {},
}

DRAWING = """\
        ┌───┐      ░ ┌─┐   \n\
   q_0: ┤ H ├──■───░─┤M├───
        └───┘┌─┴─┐ ░ └╥┘┌─┐
   q_1: ─────┤ X ├─░──╫─┤M├
             └───┘ ░  ║ └╥┘
   c: 2/══════════════╬══╬═
                      ║  ║ \n\
meas: 2/══════════════╩══╩═
                      0  1 \n\
"""
"""The README's drawing; it pads its lines with blanks."""


def test_hello_quantum_metadata_is_the_readmes(server):
    """GET /programs/hello-quantum is the 2021 README's answer, with the id added."""
    answer = server.http.get("/programs/hello-quantum")

    assert answer.status_code == 200
    assert answer.json() == HELLO_QUANTUM


def test_hello_quantum_log_is_the_readmes(server):
    """The log is the greeting in its quotes, the drawing, the counts and a newline."""
    job_id = server.run("hello-quantum", params='{"greeting": "I am the champion"}')
    assert server.wait(job_id)["status"] == "Completed"

    result = server.text(job_id, "results")
    counts = json.loads(result)
    assert set(counts) == {"00 00", "11 00"}
    assert sum(counts.values()) == 1024
    # Five standard deviations of 1024 fair coins.
    assert abs(counts["00 00"] - 512) <= 80
    assert server.text(job_id, "logs") == f'"I am the champion"\n{DRAWING}{result}\n'
    assert server.frames(job_id) == ['"I am the champion"', result]


def test_program_list_has_the_library_and_the_folder(server):
    """GET /programs lists the library and the programs folder; an entry is the single answer."""
    answer = server.http.get("/programs")

    assert answer.status_code == 200
    assert set(answer.json()) == {"programs", "count"}
    programs = {program["id"]: program for program in answer.json()["programs"]}
    assert {"hello-quantum", "sample-program", "circuit-runner", "steps", "odd-schema"} <= set(
        programs
    )
    assert list(programs) == sorted(programs)
    for name, program in programs.items():
        assert server.http.get(f"/programs/{name}").json() == program


def test_broken_metadata_breaks_no_list(server):
    """A program whose metadata can't be read is left out; it alone."""
    ids = [program["id"] for program in server.http.get("/programs").json()["programs"]]

    assert "broken-metadata" not in ids
    assert server.http.get("/programs/broken-metadata").status_code == 404
    assert server.post("broken-metadata").status_code == 404


def test_odd_schemas_are_listed_as_far_as_they_go(server):
    """Schemas become the lists of 2021; what is no schema of an object is left out."""
    program = server.http.get("/programs/odd-schema").json()

    assert program["backendRequirements"] == {"min_num_qubits": 3}
    assert program["parameters"] == [
        {"name": "anything", "description": "", "type": "any", "required": False},
        {
            "name": "number",
            "description": "One or none.",
            "type": "integer | null",
            "required": False,
        },
        {"name": "text", "description": "A text.", "type": "string", "required": True},
    ]
    assert program["returnValues"] is None
    assert (program["version"], program["cost"], program["isPublic"]) == ("2.5", 7, False)


def test_program_id_in_capitals_is_found(server):
    """Ids are taken without regard to case, as in 2021."""
    assert server.http.get("/programs/Hello-QUANTUM").json() == HELLO_QUANTUM


def test_unknown_program_is_404(server):
    """The 2021 server meant to answer this, and answered 500."""
    answer = server.http.get("/programs/nope")

    assert (answer.status_code, answer.json()) == (404, {"detail": "Program not found"})


def test_program_copied_into_the_folder_is_there_at_once(server):
    """A program needs no restart: its two files are enough."""
    folder = server.data.parent / "programs" / "late_comer"
    folder.mkdir()
    (folder / "late_comer.json").write_text('{"name": "late", "description": "Late."}')
    (folder / "late_comer.py").write_text("def main(backend, messenger):\n    return [1, 2]\n")

    job_id = server.run("late-comer")

    assert server.wait(job_id)["status"] == "Completed"
    assert server.text(job_id, "results") == "[1, 2]"


def test_backends_are_the_simulators_and_a_device(server):
    """GET /backends names what POST takes: Aer's methods and a noisy device."""
    answer = server.http.get("/backends")

    assert answer.status_code == 200
    assert set(answer.json()) == {"backends"}
    backends = {backend["name"]: backend for backend in answer.json()["backends"]}
    methods = ("statevector", "density_matrix", "stabilizer", "matrix_product_state")
    assert {"aer_simulator", *(f"aer_simulator_{method}" for method in methods)} <= set(backends)
    assert [name for name, backend in backends.items() if backend["qubits"] == 27]
    for name in backends:
        assert server.post(backend=name).status_code == 200
