"""Users' own programs over REST: uploaded, changed, run and deleted, in every form they come in."""

import base64
import io
import json
import tarfile

import httpx
import pytest

from api.bodies import MAX_FORM_BYTES
from qiskit_runtime.contract.limits import MAX_SOURCE_BYTES
from tests.api.conftest import Server, run_server

SOURCE = b'''def main(backend, user_messenger, x=1):
    """Adds one: \xc3\xbc."""
    user_messenger.publish({"x": x})
    return x + 1
'''
PARAMETERS = {
    "$schema": "https://json-schema.org/draft/2019-09/schema",
    "properties": {"x": {"type": "integer", "minimum": 0, "description": "A number."}},
    "additionalProperties": False,
}
SPEC = {
    "backend_requirements": {"min_num_qubits": 5},
    "parameters": PARAMETERS,
    "return_values": {"type": "integer"},
    "interim_results": {"type": "object"},
}
CLIENT = {"X-Qx-Client-Application": "qiskit-version-2/0.20.2"}
"""What the clients of 2021 to 2023 send with each request."""


def encode(source: bytes) -> str:
    return base64.b64encode(source).decode()


def body(name: str, **more) -> dict:
    fields = {"name": name, "data": encode(SOURCE), "cost": 60, "description": "Adds one."}
    return {**fields, "is_public": False, "spec": SPEC} | more


def upload(server, name: str, **more) -> str:
    answer = server.http.post("/programs", json=body(name, **more))
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"id"}
    return answer.json()["id"]


def get(server, program_id: str) -> dict:
    answer = server.http.get(f"/programs/{program_id}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def fault(answer: httpx.Response) -> dict:
    """The first wrong field of a 422."""
    assert answer.status_code == 422, answer.text
    return answer.json()["detail"][0]


def test_uploaded_program_has_both_dialects_keys(server):
    """The fields of 2021 and of today are both there; the schemas come back unchanged."""
    program_id = upload(server, "Adds One")

    program = get(server, program_id)
    assert program_id == "adds-one"
    assert (program["id"], program["name"], program["description"]) == (
        *("adds-one", "Adds One"),
        "Adds one.",
    )
    assert (program["version"], program["cost"], program["max_execution_time"]) == ("1", 60, 60)
    assert program["isPublic"] is program["is_public"] is False
    assert program["spec"] == SPEC
    assert program["backendRequirements"] == {"min_num_qubits": 5}
    assert program["parameters"] == [
        {"name": "x", "description": "A number.", "type": "integer", "required": False}
    ]
    assert program["creation_date"] == program["update_date"]
    assert base64.b64decode(program["data"]) == SOURCE


def test_source_comes_back_byte_for_byte(server):
    """GET of data is what was uploaded; a list has no sources, and a library's program has none."""
    program_id = upload(server, "bytes back")
    answer = server.http.get(f"/programs/{program_id}/data")

    assert (answer.status_code, answer.content) == (200, SOURCE)
    assert answer.headers["x-content-type-options"] == "nosniff"
    listed = server.http.get("/programs").json()["programs"]
    assert all("data" not in program for program in listed)
    assert server.http.get("/programs/hello-quantum/data").status_code == 404
    assert server.http.get("/programs/nope/data").status_code == 404
    assert "data" not in get(server, "hello-quantum")


def test_uploaded_program_runs_and_is_checked_by_its_schema(server):
    """A job of it runs; parameters that do not match are refused with their place, unqueued."""
    program_id = upload(server, "runs")
    job_id = server.run(program_id, params='{"x": 41}')

    assert server.wait(job_id)["status"] == "Completed"
    assert server.frames(job_id) == ['{"x": 41}', "42"]
    before = server.http.get("/jobs", params={"pending": True}).json()["total"]
    for params, loc, says in (
        ('{"x": -3}', ["x"], "params.x: -3 is less than the minimum of 0"),
        ('{"x": "a"}', ["x"], 'params.x: "a" is not of type "integer"'),
        ('{"y": 1}', [], "'y' was unexpected"),
    ):
        error = fault(server.post(program_id, params=params))
        assert error["loc"] == ["body", "params", 0, *loc]
        assert says in error["msg"]
    assert server.http.get("/jobs", params={"pending": True}).json()["total"] == before


def test_job_runs_the_version_that_it_was_posted_for(server, gate):
    """A program may be changed and deleted while its job waits: the job runs what was posted."""
    waits = b"def main(backend, messenger):\n    return 'first'\n"
    program_id = upload(server, "pinned", data=encode(waits), spec={})
    blockers = [server.run_steps(["wait", str(gate)]) for _ in range(2)]
    first = server.run(program_id)
    server.http.put(f"/programs/{program_id}/data", content=waits.replace(b"first", b"second"),
                    headers={"Content-Type": "text/x-python"})  # fmt: skip
    second = server.run(program_id)
    assert server.http.delete(f"/programs/{program_id}").status_code == 204
    assert server.post(program_id).status_code == 404
    gate.touch()

    for job_id in (*blockers, first, second):
        assert server.wait(job_id)["status"] == "Completed"
    assert [server.text(job_id, "results") for job_id in (first, second)] == [
        '"first"',
        '"second"',
    ]
    assert server.job(first)["program"] == program_id


@pytest.mark.parametrize("part", ["program", "file", "data"])
def test_form_with_a_file_is_an_upload(server, part):
    """multipart/form-data: the file as a part, the rest as fields, spec as JSON."""
    fields = {"name": f"form {part}", "description": "d", "max_execution_time": "9"}
    fields |= {"is_public": "true", "spec": json.dumps(SPEC), "unknown": "ignored"}
    answer = server.http.post("/programs", data=fields, files={part: ("a b.py", SOURCE)})

    assert answer.status_code == 200, answer.text
    program = get(server, answer.json()["id"])
    assert (program["id"], program["is_public"], program["cost"]) == (f"form-{part}", True, 9)
    assert program["spec"] == SPEC
    assert base64.b64decode(program["data"]) == SOURCE


def test_form_may_have_its_metadata_in_one_part(server):
    """A part ``metadata`` is JSON; the other fields of the form override it."""
    metadata = json.dumps({"name": "from metadata", "description": "old", "spec": SPEC})
    files = {"program": ("p.py", SOURCE), "metadata": (None, metadata, "application/json")}
    answer = server.http.post("/programs", data={"description": "new"}, files=files)

    program = get(server, answer.json()["id"])
    assert (program["name"], program["description"]) == ("from metadata", "new")
    assert program["spec"] == SPEC


@pytest.mark.parametrize("name", ["name", "isPublic", "maxExecutionTime"])
def test_camel_case_is_understood(server, name):
    """Names in camelCase, as in the rest of this API, are taken too."""
    fields = {"name": f"camel {name}", "data": encode(SOURCE), "isPublic": True}
    fields |= {"maxExecutionTime": 7, "spec": {"returnValues": {"type": "integer"}}}
    program = get(server, server.http.post("/programs", json=fields).json()["id"])

    assert (program["is_public"], program["max_execution_time"]) == (True, 7)
    assert program["spec"] == {"return_values": {"type": "integer"}}


def test_archive_is_an_upload_like_any_other(server):
    """Tar archives run too, and are never unpacked by the server."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, text in (
            ("app/main.py", b"import other\ndef main(b, m):\n    return other.A\n"),
            ("app/other.py", b"A = 7\n"),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text))
    program_id = upload(server, "archive", data=encode(packed.getvalue()), spec={})
    job_id = server.run(program_id)

    assert server.wait(job_id)["status"] == "Completed"
    assert server.text(job_id, "results") == "7"
    answer = server.http.get(f"/programs/{program_id}/data")
    assert (answer.content, answer.headers["content-type"]) == (
        packed.getvalue(),
        "application/octet-stream",
    )


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (SOURCE + b"# 2\n", "application/octet-stream"),
        (encode(SOURCE + b"# 2\n").encode(), "application/octet-stream"),
        (SOURCE + b"# 2\n", "text/x-python"),
        (SOURCE + b"# 2\n", "Text/X-Python; charset=utf-8"),
        (json.dumps({"data": encode(SOURCE + b"# 2\n")}).encode(), "application/json"),
    ],
    ids=["bytes", "base64", "python", "charset", "json"],
)
def test_new_source_counts_the_version_up(server, content, kind, request):
    """In each form, also the base64 that clients of 2021 send as bytes; once, if it is new."""
    program_id = upload(server, f"source {request.node.callspec.id}")
    for _ in range(2):
        answer = server.http.put(
            f"/programs/{program_id}/data", content=content, headers={"Content-Type": kind}
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["version"] == "2"

    assert server.http.get(f"/programs/{program_id}/data").content == SOURCE + b"# 2\n"


def test_metadata_changes_and_the_rest_stays(server):
    """PATCH says what is new; nothing of it is a new version."""
    program_id = upload(server, "patched")
    spec = {"parameters": {"properties": {"y": {}}}}
    answer = server.http.patch(
        f"/programs/{program_id}", json={"description": "New.", "cost": 5, "spec": spec}
    )

    program = get(server, program_id)
    assert answer.json() == {key: program[key] for key in program if key != "data"}
    assert (program["description"], program["cost"], program["spec"]) == ("New.", 5, spec)
    assert (program["name"], program["version"]) == ("patched", "1")
    assert program["update_date"] > program["creation_date"]


def test_put_changes_all_at_once(server):
    """PUT takes what POST takes; the id stays."""
    program_id = upload(server, "put whole")
    new = body("Renamed", data=encode(b"# new\n"), description="x")
    answer = server.http.put(f"/programs/{program_id}", json=new)
    form = server.http.put(
        f"/programs/{program_id}", data={"name": "Form"}, files={"file": ("x.py", b"# form\n")}
    )

    assert (answer.status_code, answer.json()["version"]) == (200, "2")
    assert (form.json()["name"], form.json()["version"]) == ("Form", "3")
    assert form.json()["description"] == "x"
    assert form.json()["id"] == program_id


def test_visibility_is_put(server):
    """As the clients of 2021 to 2023 do."""
    program_id = upload(server, "seen")

    assert server.http.put(f"/programs/{program_id}/public").status_code == 204
    assert get(server, program_id)["is_public"] is True
    assert server.http.put(f"/programs/{program_id}/private").status_code == 204
    assert get(server, program_id)["is_public"] is False


def test_list_has_pages_and_is_searched(server):
    """Limit and offset as in 2021, with the count of all; also name and search."""
    for name in ("page a", "page b", "page c"):
        upload(server, name, description="For paging.")
    whole = server.http.get("/programs").json()

    assert whole["count"] == len(whole["programs"])
    page = server.http.get("/programs", params={"limit": 2, "offset": 1}).json()
    assert (page["programs"], page["count"]) == (whole["programs"][1:3], whole["count"])
    assert server.http.get("/programs", params={"offset": 10_000}).json()["programs"] == []
    found = server.http.get("/programs", params={"search": "FOR PAGING", "limit": 1}).json()
    assert (found["count"], len(found["programs"])) == (3, 1)
    named = server.http.get("/programs", params={"name": "page b"}).json()["programs"]
    assert [program["id"] for program in named] == ["page-b"]
    assert server.http.get("/programs", params={"limit": -1}).status_code == 422


def test_taken_name_is_409_that_says_what_changes_it(server):
    """Also where it is only the id that is the same, and where the library has it."""
    upload(server, "taken")
    for name in ("taken", "Taken!", "hello quantum"):
        answer = server.http.post("/programs", json=body(name))
        assert answer.status_code == 409
        assert "name" in answer.json()["detail"]
    answer = server.http.post("/programs", json=body("taken"))
    assert "PUT /programs/taken/data" in answer.json()["detail"]


@pytest.mark.parametrize("program_id", ["hello-quantum", "steps", "HELLO-quantum"])
def test_programs_of_the_server_are_read_only(server, program_id):
    """403 that says why, for each way to change one."""
    path = f"/programs/{program_id}"
    for answer in (
        server.http.patch(path, json={"cost": 1}),
        server.http.put(path, json=body("x")),
        server.http.put(f"{path}/data", content=SOURCE, headers={"Content-Type": "text/x-python"}),
        server.http.put(f"{path}/public"),
        server.http.put(f"{path}/private"),
        server.http.delete(path),
    ):
        assert answer.status_code == 403
        assert "uploaded" in answer.json()["detail"]


def test_unknown_program_is_404_for_each_change(server):
    """Whatever is asked of it."""
    for program_id in ("nope", "..%2F..%2Fjobs", "%00"):
        path = f"/programs/{program_id}"
        for answer in (
            server.http.patch(path, json={"cost": 1}),
            server.http.put(path, json=body("x")),
            server.http.put(f"{path}/public"),
            server.http.delete(path),
        ):
            assert answer.status_code == 404, answer.text


@pytest.mark.parametrize(
    ("change", "loc"),
    [
        ({"name": None}, ["name"]),
        ({"name": ""}, ["name"]),
        ({"name": "x" * 129}, ["name"]),
        ({"name": 7}, ["name"]),
        ({"name": "量子"}, ["name"]),
        ({"name": "\ud800"}, ["name"]),
        ({"description": "x" * 4097}, ["description"]),
        ({"cost": 0}, ["cost"]),
        ({"cost": "long"}, ["cost"]),
        ({"cost": 604801}, ["cost"]),
        ({"is_public": "perhaps"}, ["is_public"]),
        ({"data": None}, ["data"]),
        ({"data": ""}, ["data"]),
        ({"data": "!"}, ["data"]),
        ({"data": "ü"}, ["data"]),
        ({"data": encode(b"\xff\xfe")}, ["data"]),
        ({"data": encode(b"x\0y")}, ["data"]),
        ({"spec": []}, ["spec"]),
        ({"spec": {"parameters": []}}, ["spec", "parameters"]),
        ({"spec": {"parameters": {"type": "objet"}}}, ["spec", "parameters"]),
        ({"spec": {"parameters": {"$ref": "http://example.com"}}}, ["spec", "parameters"]),
        ({"spec": {"parameters": {"$ref": "#"}}}, ["spec", "parameters"]),
        ({"spec": {"parameters": {"default": "x" * 70_000}}}, ["spec", "parameters"]),
        ({"spec": {"returnValues": 3}}, ["spec", "returnValues"]),
        ({"spec": {"return_values": {"default": "\ud800"}}}, ["spec", "return_values"]),
    ],
)
def test_wrong_field_is_422_that_names_it(server, change, loc):
    """The field is in ``loc``, and the answer is short."""
    answer = server.http.post(
        "/programs",
        content=json.dumps(body("wrong field") | change),
        headers={"Content-Type": "application/json"},
    )

    assert fault(answer)["loc"] == ["body", *loc]
    assert len(answer.content) < 2000
    assert server.http.get("/programs/wrong-field").status_code == 404


def test_not_a_number_in_a_schema_is_422(server):
    """Such text could not be stored, nor written as JSON."""
    text = json.dumps(body("nan", spec={"return_values": {"default": float("nan")}}))
    answer = server.http.post(
        "/programs", content=text, headers={"Content-Type": "application/json"}
    )

    assert fault(answer)["loc"] == ["body", "spec", "return_values"]


def test_source_over_its_limit_is_413_with_size_and_limit(server):
    """Over 256 KiB in every form; far over it the body itself is refused."""
    size = MAX_SOURCE_BYTES + 1
    large = b"#" * size
    program_id = upload(server, "large")
    python = {"Content-Type": "text/x-python"}
    for answer in (
        server.http.post("/programs", json=body("larger", data=encode(large))),
        server.http.post("/programs", data={"name": "x"}, files={"file": ("x.py", large)}),
        server.http.put(f"/programs/{program_id}/data", content=large, headers=python),
    ):
        assert answer.status_code == 413
        assert str(size) in answer.json()["detail"]
        assert str(MAX_SOURCE_BYTES) in answer.json()["detail"]
    huge = b"#" * (MAX_FORM_BYTES + 1)
    answer = server.http.put(f"/programs/{program_id}/data", content=huge, headers=python)
    assert answer.status_code == 413
    assert str(MAX_FORM_BYTES) in answer.json()["detail"]
    exact = b"#" * MAX_SOURCE_BYTES
    assert upload(server, "exactly as large", data=encode(exact))


BOUNDARY = 'multipart/form-data; boundary="b"'


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("multipart/form-data", b"--b--"),
        (BOUNDARY, b"nothing"),
        (BOUNDARY, b"--b\r\n\r\nx\r\n--b--"),
        (BOUNDARY, b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nx'),
        (BOUNDARY, b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--"),
        (BOUNDARY, b'--b\r\nContent-Disposition: attachment; name="a"\r\n\r\nx\r\n--b--'),
        (BOUNDARY, b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n' * 2 + b"--b--"),
        (
            BOUNDARY,
            b"".join(
                b'--b\r\nContent-Disposition: form-data; name="%d"\r\n\r\nx\r\n' % at
                for at in range(100)
            )
            + b"--b--",
        ),
        (BOUNDARY, b'--b\r\nContent-Disposition: form-data; name="spec"\r\n\r\n{\r\n--b--'),
        (BOUNDARY, b'--b\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n[]\r\n--b--'),
        (BOUNDARY, b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\n\xff\r\n--b--'),
        ("application/json", b"[]"),
        ("application/json", b""),
        ("application/json", b'"text"'),
    ],
)
def test_broken_upload_is_422(server, kind, content):
    """A form that is none is refused, whatever is wrong with it, and never a server error."""
    answer = server.http.post("/programs", content=content, headers={"Content-Type": kind})

    assert fault(answer)["loc"][0] == "body"


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "text/x-python", ""]
)
def test_upload_of_another_type_is_415(server, kind):
    """Types that a page may post unasked are refused, and so is a body without a type."""
    request = server.http.build_request("POST", "/programs", content=json.dumps(body("other type")))
    if kind:
        request.headers["Content-Type"] = kind
    answer = server.http.send(request)

    assert answer.status_code == 415
    assert "application/json or multipart/form-data" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/jobs"), ("PATCH", "/programs/x"), ("DELETE", "/programs/x")]
)
@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=b", "application/octet-stream"])
def test_other_requests_take_json_alone(server, method, path, kind):
    """Forms and bytes are for uploads."""
    answer = server.http.request(method, path, content=b"x", headers={"Content-Type": kind})

    assert answer.status_code == 415


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_page_of_another_site_can_upload_nothing(server, headers):
    """A form is what a browser posts anywhere without asking: its origin is looked at."""
    files = {"program": ("x.py", SOURCE)}
    answer = server.http.post("/programs", data={"name": "evil"}, files=files, headers=headers)

    assert answer.status_code == 403
    assert server.http.get("/programs/evil").status_code == 404


def test_page_of_this_server_can_upload(server):
    """The server's own pages may post a form."""
    headers = {"Origin": f"http://127.0.0.1:{server.port}", "Sec-Fetch-Site": "same-origin"}
    files = {"program": ("x.py", SOURCE)}
    answer = server.http.post("/programs", data={"name": "own page"}, files=files, headers=headers)

    assert answer.status_code == 200


def test_parameters_of_the_library_are_checked_too(server):
    """The parameters of a library program are checked before a job is queued."""
    error = fault(server.post("sample-program", params='{"iterations": "three"}'))

    assert error["loc"] == ["body", "params", 0, "iterations"]


def test_schema_of_a_folder_that_is_broken_refuses_nothing(server):
    """A program with an unusable schema runs nevertheless."""
    folder = server.data.parent / "programs" / "bad_schema"
    folder.mkdir()
    (folder / "bad_schema.py").write_text("def main(backend, messenger, **params): pass\n")
    metadata = {"name": "bad", "description": "", "spec": {"parameters": {"type": "objet"}}}
    (folder / "bad_schema.json").write_text(json.dumps(metadata))
    job_id = server.run("bad-schema", params='{"anything": 1}')

    assert server.wait(job_id)["status"] == "Completed"


def test_client_of_2021_uploads_runs_changes_and_deletes(server):
    """The calls of qiskit-ibmq-provider 0.20.2, as its code makes them: JSON without a type."""
    http = server.http
    payload = body("old-client", cost=300, is_public=False)
    request = http.build_request("POST", "/programs", content=json.dumps(payload), headers=CLIENT)
    assert "content-type" not in request.headers
    program_id = http.send(request).json()["id"]

    page = http.get("/programs", params={"limit": 20, "offset": 0}, headers=CLIENT).json()
    listed = {program["id"]: program for program in page["programs"]}
    program = http.get(f"/programs/{program_id}", headers=CLIENT).json()
    for found in (program, listed.get(program_id, program)):
        assert found["name"] == "old-client"
        assert found["cost"] == 300
        assert found["spec"].get("parameters", {}) == PARAMETERS
        assert found["is_public"] is False
        assert found["creation_date"].endswith("Z") and found["update_date"].endswith("Z")
    update = encode(b"def main(backend, user_messenger, **kwargs):\n    return 'new'\n")
    octets = {"Content-Type": "application/octet-stream", **CLIENT}
    assert http.put(f"/programs/{program_id}/data", content=update, headers=octets).is_success
    patch = {"name": "old-client", "description": "new", "cost": 600, "spec": SPEC}
    assert http.patch(f"/programs/{program_id}", json=patch, headers=CLIENT).is_success
    assert http.put(f"/programs/{program_id}/public", headers=CLIENT).is_success
    job_id = server.run(program_id)
    assert server.wait(job_id)["status"] == "Completed"
    assert server.text(job_id, "results") == '"new"'
    assert http.post("/programs", json=payload, headers=CLIENT).status_code == 409
    assert http.delete(f"/programs/{program_id}", headers=CLIENT).is_success
    assert http.get(f"/programs/{program_id}", headers=CLIENT).status_code == 404


def test_client_of_2021_posts_a_job_without_a_type(server):
    """Such clients post jobs, too, without a Content-Type."""
    content = json.dumps(Server.make_body("steps"))
    request = server.http.build_request("POST", "/jobs", content=content, headers=CLIENT)
    assert "content-type" not in request.headers
    answer = server.http.send(request)

    assert answer.status_code == 200, answer.text


def test_untyped_body_is_taken_of_no_browser(server):
    """Without a header that a page of another site can't send, a body needs its type."""
    content = json.dumps(body("untyped"))
    for headers in ({}, {"Accept": "*/*"}, {"Origin": f"http://127.0.0.1:{server.port}"}):
        request = server.http.build_request("POST", "/programs", content=content, headers=headers)
        assert server.http.send(request).status_code == 415


def test_programs_outlive_a_killed_server(tmp_path):
    """A program that was answered survives SIGKILL, and a queued job runs its own source."""
    folder = tmp_path / "server"
    with run_server(folder, RUNTIME_WORKERS="1") as server:
        program_id = upload(server, "kept", spec={})
        server.http.put(f"/programs/{program_id}/public")
        blocker = server.run_steps(["wait", str(tmp_path / "never")])
        server.wait(blocker, while_in=("Queued",))
        queued = server.run(program_id, params='{"x": 1}')
        assert server.http.delete(f"/programs/{program_id}").is_success
        kept = upload(server, "kept too")
        server.process.kill()
        server.process.wait(10)
    (folder / "programs").rename(tmp_path / "old")

    with run_server(folder, RUNTIME_WORKERS="1") as server:
        assert server.wait(queued)["status"] == "Completed"
        assert server.text(queued, "results") == "2"
        assert base64.b64decode(get(server, kept)["data"]) == SOURCE
        assert server.http.get(f"/programs/{program_id}").status_code == 404


def test_repeated_request_is_its_job_though_the_program_changed_or_went(server):
    """A POST with a key is answered again as it was, whatever became of the program."""
    source = base64.b64encode(b"def main(backend, messenger, x=1):\n    return x\n").decode()
    made = server.http.post("/programs", json={"name": "sent-twice", "data": source})
    assert made.status_code == 200, made.text
    headers = {"Idempotency-Key": "sent-twice-1"}
    body = server.make_body("sent-twice") | {"params": ['{"x": 2}']}
    first = server.http.post("/jobs", json=body, headers=headers)
    spec = {"parameters": {"required": ["y"]}}
    assert server.http.patch("/programs/sent-twice", json={"spec": spec}).status_code == 200
    assert server.http.post("/jobs", json=body, headers=headers).json() == first.json()
    assert server.http.delete("/programs/sent-twice").status_code == 204
    assert server.http.post("/jobs", json=body, headers=headers).json() == first.json()
    other = body | {"params": ['{"x": 3}']}
    assert server.http.post("/jobs", json=other, headers=headers).status_code in (404, 409)


def test_job_for_a_version_that_is_gone_is_refused(server):
    """A job for a version runs that version, or is refused because it has changed."""
    source = base64.b64encode(b"def main(backend, messenger):\n    return 1\n").decode()
    server.http.post("/programs", json={"name": "versioned", "data": source})
    body = server.make_body("versioned")
    assert server.http.post("/jobs", json=body | {"programVersion": "1"}).status_code == 200
    refused = server.http.post("/jobs", json=body | {"programVersion": "2"})
    assert refused.status_code == 409 and "is of version 1" in refused.json()["detail"]
    server.http.delete("/programs/versioned")


OLD_SPEC = {
    "parameters": {
        "properties": {"x": {"type": "int"}, "qc": {"type": "QuantumCircuit"}},
        "required": ["x"],
    },
    "return_values": {"type": "dictionary"},
    "interim_results": {"type": "Bool"},
}
UNKNOWN_TYPE = (
    "spec.parameters.properties.qc.type: 'QuantumCircuit' is no type of JSON, so any value is taken"
)
TRANSLATED = {
    "parameters": {"properties": {"x": {"type": "integer"}, "qc": {}}, "required": ["x"]},
    "return_values": {"type": "object"},
    "interim_results": {"type": "boolean"},
}


def test_type_names_of_2021_are_taken_with_warnings(server):
    """POST, PATCH and PUT translate them, say so, and check parameters by what they mean."""
    answer = server.http.post("/programs", json=body("of 2021", spec=OLD_SPEC))
    assert answer.status_code == 200, answer.text
    assert answer.json()["id"] == "of-2021"
    assert answer.json()["warnings"] == [
        "spec.parameters.properties.x.type: 'int' is read as 'integer'",
        UNKNOWN_TYPE,
        "spec.return_values.type: 'dictionary' is read as 'object'",
        "spec.interim_results.type: 'Bool' is read as 'boolean'",
    ]
    assert get(server, "of-2021")["spec"] == TRANSLATED

    for method, sent in (("PATCH", {"spec": OLD_SPEC}), ("PUT", body("of 2021", spec=OLD_SPEC))):
        changed = server.http.request(method, "/programs/of-2021", json=sent).json()
        assert len(changed["warnings"]) == 4
        assert changed["spec"] == TRANSLATED
    assert "warnings" not in server.http.patch("/programs/of-2021", json={"cost": 7}).json()

    job = {"programId": "of-2021", "hub": "", "group": "", "project": "", "backend": ""}
    refused = server.http.post("/jobs", json=job | {"params": ['{"x": "many"}']})
    assert fault(refused)["msg"].startswith("params.x: ")


def test_type_names_of_2021_in_a_form(server):
    """A multipart form's spec is translated as well."""
    fields = {"name": "form of 2021", "spec": json.dumps({"parameters": {"type": "dict"}})}
    answer = server.http.post("/programs", data=fields, files={"program": ("p.py", SOURCE)})

    assert answer.json()["warnings"] == ["spec.parameters.type: 'dict' is read as 'object'"]
