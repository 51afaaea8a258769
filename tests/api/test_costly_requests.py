"""Requests that cost a server many times their size: refused by name, and others are served."""

import base64
import json
import threading

import pytest

from api.program_forms import MAX_SCHEMA_CONTAINERS
from api.strict_json import MAX_BODY_VALUES
from qiskit_runtime.contract.schemas.params_schema import MAX_SCHEMA_BYTES
from tests.api.conftest import Server, run_server

JSON = {"Content-Type": "application/json"}
MIB = 2**20


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A server of these tests' own: its memory is looked at."""
    with run_server(tmp_path_factory.mktemp("costly")) as running:
        yield running


class Watch:
    """Asks a server whether it lives, all the time, and what memory it holds.

    ``longest`` is the most that it computed before an answer came, in seconds of CPU: those of the
    clock are longer on a machine that has other things to do.
    """

    def __init__(self, server: Server) -> None:
        self.server, self.longest, self.peak = server, 0.0, 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def _ask(self):
        while not self._done.wait(0.01):
            begin = self.server.cpu_seconds()
            assert self.server.http.get("/livez").status_code == 200
            self.longest = max(self.longest, self.server.cpu_seconds() - begin)
            self.peak = max(self.peak, self.server.resident_bytes())

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()


def body_with(extra: str) -> bytes:
    """A request that is good, and has an unknown field besides."""
    return json.dumps(Server.make_body("steps"))[:-1].encode() + f', "x": {extra}}}'.encode()


def upload(server, name, schemas):
    source = base64.b64encode(b"def main(backend, messenger): pass").decode()
    return server.http.post("/programs", json={"name": name, "data": source, "spec": schemas})


def test_values_of_a_body_are_counted_exactly(server):
    """As many values as the limit are taken, one more is refused; texts' insides do not count."""
    spare = MAX_BODY_VALUES - 8
    for count, code in ((spare, 404), (spare + 1, 422)):
        body = Server.make_body("nope") | {"x": ["[,{"] * count}
        answer = server.http.post("/jobs", json=body)
        assert answer.status_code == code
    assert str(MAX_BODY_VALUES) in answer.json()["detail"][0]["msg"]


@pytest.mark.parametrize(
    ("piece", "end"),
    [("[],", "[]"), ("[[[[0]]]],", "0"), ("1.1,", "1"), ('"",', '""'), ("{},", "{}")],
)
def test_body_of_many_values_is_refused_before_it_is_made(own, piece, end):
    """Sixteen mebibytes of little nothings cost no more than a text of that size."""
    before = own.resident_bytes()
    body = body_with("[" + piece * (16_500_000 // len(piece)) + end + "]")
    with Watch(own) as watch:
        answer = own.http.post("/jobs", content=body, headers=JSON)

    assert answer.status_code == 422
    assert str(MAX_BODY_VALUES) in answer.json()["detail"][0]["msg"]
    assert watch.longest < 2
    assert watch.peak - before < 150 * MIB


def test_body_of_many_names_is_refused_before_it_is_made(own):
    """An object's names are strings and values as well."""
    names = ",".join(f'"{number}":0' for number in range(1_000_000))
    answer = own.http.post("/jobs", content=body_with("{" + names + "}"), headers=JSON)

    assert answer.status_code == 422
    assert str(MAX_BODY_VALUES) in answer.json()["detail"][0]["msg"]


def test_large_bodies_at_once_take_their_turns(own):
    """Eight of the largest requests are all answered, and only a few are in memory at a time."""
    before = own.resident_bytes()
    body = Server.make_body("nope") | {"params": [json.dumps({"a": '"' * 4_000_000})]}
    content, codes = json.dumps(body).encode(), []

    def post():
        codes.append(own.http.post("/jobs", content=content, headers=JSON).status_code)

    clients = [threading.Thread(target=post) for _ in range(8)]
    with Watch(own) as watch:
        for client in clients:
            client.start()
        for client in clients:
            client.join()

    assert codes == [404] * 8
    assert watch.longest < 2
    assert watch.peak - before < 300 * MIB


def test_schema_that_takes_for_ever_holds_no_server(own):
    """A job of such a schema is posted, and everybody else is answered meanwhile."""
    levels = {"d0": {"type": "object"}} | {
        f"d{i + 1}": {
            "anyOf": [{"$ref": f"#/$defs/d{i}"}, {"properties": {f"p{i}": {}}}],
            "unevaluatedProperties": False,
        }
        for i in range(32)
    }
    schema = {"properties": {"a": {"$ref": "#/$defs/d32"}}, "$defs": levels}
    uploaded = upload(own, "for ever", {"parameters": schema})
    assert uploaded.status_code == 200, uploaded.text
    with Watch(own) as watch:
        answer = own.post("for-ever", params='{"a":{"q":1}}')

    assert answer.status_code == 200
    assert watch.longest < 1


def test_numbers_that_take_for_ever_hold_no_server(own):
    """A multipleOf of numbers far apart is long arithmetic."""
    several = {"allOf": [{"multipleOf": 1e-300 + i * 1e-302} for i in range(40)]}
    schema = {"properties": {"a": {"items": several}}}
    assert upload(own, "multiples", {"parameters": schema}).status_code == 200
    with Watch(own) as watch:
        answer = own.post("multiples", params=json.dumps({"a": [1e300] * 3000}))

    # Refused, or left to the program: by then the processor's time may be up.
    assert answer.status_code in (200, 422)
    assert watch.longest < 1


def test_schemas_of_a_program_have_one_limit_together(server):
    """Four schemas of a size that one may have are too much, and so are many small objects."""
    half = {"description": "x" * (MAX_SCHEMA_BYTES // 2)}
    many = {"properties": {str(number): {} for number in range(MAX_SCHEMA_CONTAINERS // 2)}}
    assert upload(server, "fits", {"parameters": half}).status_code == 200
    for schemas, limit in (
        ({"parameters": half, "return_values": half}, MAX_SCHEMA_BYTES),
        ({"parameters": many, "interim_results": many}, MAX_SCHEMA_CONTAINERS),
    ):
        answer = upload(server, "too much", schemas)
        assert answer.status_code == 422
        [error] = answer.json()["detail"]
        assert error["loc"] == ["body", "spec"] and str(limit) in error["msg"]
    assert server.http.delete("/programs/fits").status_code == 204


def test_many_programs_are_listed_a_page_at_a_time_while_others_are_served(own):
    """A list of large schemas is written piece by piece; a page says how many there are in all."""
    large = {"description": "x" * 60_000}
    for number in range(100):
        assert upload(own, f"large {number}", {"parameters": large}).status_code == 200
    before = own.resident_bytes()
    with Watch(own) as watch:
        listed = own.http.get("/programs").json()

    assert watch.longest < 1 and watch.peak - before < 60 * MIB
    assert len(listed["programs"]) == listed["count"] > 100
    page = own.http.get("/programs", params={"limit": 2, "offset": 1}).json()
    assert page == {"programs": listed["programs"][1:3], "count": listed["count"]}
    assert listed["programs"][-1]["spec"] or listed["programs"][20]["spec"]


def test_jobs_of_large_parameters_are_listed_in_pieces(own):
    """Jobs of two mebibytes, listed four times at once: text for text, and in bounds."""
    params = json.dumps({"steps": [], "text": 'ä"\\' * 350_000}, ensure_ascii=False)
    ids = [own.run(params=params, tags=["large"]) for _ in range(4)]
    for job_id in ids:
        own.http.post(f"/jobs/{job_id}/cancel")
        own.wait(job_id)
    before, lists = own.resident_bytes(), []

    def read():
        lists.append(own.http.get("/jobs", params={"tags": "large"}).json())

    clients = [threading.Thread(target=read) for _ in range(4)]
    with Watch(own) as watch:
        for client in clients:
            client.start()
        for client in clients:
            client.join()

    assert [len(one["jobs"]) for one in lists] == [4] * 4
    assert all(job["params"] == [params] for job in lists[0]["jobs"])
    assert own.job(ids[0]) in lists[0]["jobs"]
    assert watch.peak - before < 100 * MIB
