"""A job in a notebook, without a browser: what its widget has, and what a cell has without it."""

import asyncio
import importlib.util
import json
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import numpy
import pandas
import pytest

from qiskit_runtime.client import AsyncClient, Client, StreamLost, job_handle, job_stream
from qiskit_runtime.client.address import Address
from qiskit_runtime.client.dataframe import InterimTable
from qiskit_runtime.client.job_feed import describe_job
from qiskit_runtime.client.job_widget import JobWidget
from qiskit_runtime.contract.wire.events import Message, frame_fields
from tests.api.conftest import run_server, wait_until
from tests.qiskit_runtime.client.conftest import COLUMN_NAMES, CuttingProxy

MESSAGES = 10_000
PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"


@pytest.fixture
def notebook(monkeypatch):
    """Have this process taken for the kernel of a notebook."""
    monkeypatch.setattr(job_handle, "in_notebook", lambda: True)


@pytest.fixture
def bare(notebook, monkeypatch):
    """The same, where anywidget is not installed."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


@pytest.fixture
def told(monkeypatch):
    """The names of what each message to the browsers has."""
    messages = []
    send_state = JobWidget.send_state

    def send(widget, key=None):
        messages.append(key)
        send_state(widget, key)

    monkeypatch.setattr(JobWidget, "send_state", send)
    return messages


@pytest.fixture
def show(notebook):
    """Show a job's widget until a test ends; returns it."""
    shown = []

    def show(job):
        shown.append(job.find_widget())
        return shown[-1]

    yield show
    for widget in shown:
        widget.close()
        widget.feed.join(10)
        assert widget.feed.has_ended


def unwrap(job):
    """The job that a cell has."""
    return getattr(job, "_inner", job)


def follow(widget, seconds=30):
    """Wait until a widget has all; returns its facts and its frames."""
    widget.feed.join(seconds)
    assert widget.feed.has_ended
    state = widget.get_state()
    count = sum(name.startswith("part_") for name in state)
    return state["facts"], [frame for at in range(count) for frame in state[f"part_{at}"]]


def test_widget_has_every_frame_and_the_end(client, show):
    """Console, messages and the result are what the stream has, and the status is final."""
    job = client.run("steps", steps=[["print", "p"], ["publish", {"a": 1}], ["final", {"0": 3}]])
    facts, frames = follow(show(unwrap(job)))
    assert frames == [frame_fields(event) for event in job.stream()]
    assert (facts["program"], facts["status"], facts["error"]) == ("steps", "Completed", "")


def test_job_is_shown_by_one_widget(url, notebook):
    """Each display of the object is a view of it, with its name as text; once closed, a new one."""
    with Client(url) as client:
        job = client.run("steps", steps=[["final", 1]])
    data, _ = job._repr_mimebundle_(include=None, exclude=None)
    again, _ = job._repr_mimebundle_()
    assert data == again and data["text/plain"] == repr(job)
    (view,) = (value for kind, value in data.items() if kind != "text/plain")
    first = job.find_widget()
    assert view["model_id"] == first.model_id
    first.close()
    assert job.find_widget() is not first
    job.find_widget().close()


def test_widget_follows_while_the_cell_is_busy_and_stops_when_closed(client, show, gate):
    """Later frames are shown without the client's doing; after the close nothing is read."""
    job = client.run("steps", steps=[["publish", 1], ["wait", str(gate)], ["publish", 2]])
    widget = show(unwrap(job))
    wait_until(lambda: len(widget.get_state().get("part_0", ())) == 1, 15)
    assert widget.get_state()["facts"]["status"] in {"Queued", "Running"}
    widget.close()
    widget.feed.join(5)
    gate.touch()
    job.wait(timeout=30)
    assert widget.feed.has_ended and widget.feed.failure is None
    assert len(widget.feed.state["part_0"]) == 1


@pytest.fixture
def gate(tmp_path):
    """A file that a program waits for, until the test touches it."""
    return tmp_path / "gate"


def test_ten_thousand_messages_come_in_bunches(url, show, told):
    """A job that ended long ago is shown whole by few messages, with little told again."""
    with Client(url) as client:
        job = client.run("steps", steps=[["count", MESSAGES]])
        job.wait(timeout=60)
    began = time.monotonic()
    _, frames = follow(show(job))
    assert [frame["number"] for frame in frames] == list(range(1, MESSAGES + 1))
    bunches = [names for names in told if isinstance(names, list)]
    # Only the part that the last bunch had begun is told again.
    assert sum(map(len, bunches)) <= MESSAGES / 200 + 2 * len(bunches)
    assert len(bunches) <= 10 * (time.monotonic() - began) + 5


def test_deleted_job_says_so(url, show, server, gate):
    """One that was deleted before, and one that is deleted meanwhile: a line, and the end."""
    with Client(url) as client:
        job = client.run("steps", steps=[["final", 1]])
        job.wait(timeout=30)
        job.delete()
        assert "Job not found" in follow(show(job))[0]["error"]
        job = client.run("steps", steps=[["publish", 1], ["wait", str(gate)]])
        widget = show(job)
        wait_until(lambda: "part_0" in widget.feed.state, 15)
        assert server.http.delete(f"/api/v1/jobs/{job.id}").status_code == 204
        assert "deleted" in follow(widget)[0]["error"]


def test_failed_job_says_why(url, show):
    """The error is the job's message."""
    with Client(url) as client:
        job = client.run("steps", steps=[["fail", "too cold"]])
        assert "too cold" in follow(show(job))[0]["error"]


def test_server_that_goes_away_is_one_line(tmp_path, show, monkeypatch):
    """The widget says that its stream did not come back, and so does await."""
    monkeypatch.setattr(job_stream, "TRIES", 2)
    with run_server(tmp_path / "server") as server:

        async def run():
            async with AsyncClient(f"http://127.0.0.1:{server.port}") as client:
                return await client.run("steps", steps=[["publish", 1], ["wait", "/never"]])

        job = asyncio.run(run())
        widget = show(job)
        wait_until(lambda: "part_0" in widget.feed.state, 15)
    facts, frames = follow(widget)
    assert len(frames) == 1
    assert job.id in facts["error"] and "\n" not in facts["error"]
    assert isinstance(widget.feed.failure, StreamLost)

    async def show_again():
        return await job.stream()

    with pytest.raises(StreamLost):
        asyncio.run(show_again())


def test_no_server_is_a_line(notebook, show, closed_url, monkeypatch):
    """The widget has it, and the text of a notebook without anywidget."""
    job = Client(closed_url).job("one")
    assert "qiskit-runtime serve" in follow(show(job))[0]["error"]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    text = job._repr_mimebundle_()["text/plain"]
    assert text.startswith("Job('one'): ") and "qiskit-runtime serve" in text


@pytest.fixture
def closed_url():
    """An address where nobody is."""
    return "http://127.0.0.1:9"


def test_without_anywidget_a_job_is_a_sentence(client, bare, gate):
    """Program, status, progress and the number of interim results, while it runs and afterwards."""
    job = client.run(
        "steps", steps=[["count", 3], ["wait", str(gate)], ["publish", 1], ["final", 2]]
    )
    wait_until(lambda: job.logs().count("\n") >= 3, 15)
    text = job._repr_mimebundle_()["text/plain"]
    assert text.endswith(f"Job({job.id!r}): steps is Running; 3 interim results")
    gate.touch()
    job.wait(timeout=30)
    assert "steps is Completed; 4 interim results" in job._repr_mimebundle_()["text/plain"]


def test_outside_a_notebook_a_job_is_its_name():
    """No server is asked."""
    assert Client("http://127.0.0.1:9").job("x")._repr_mimebundle_() == {"text/plain": "Job('x')"}


def test_awaited_stream_prints_and_returns_the_job(url, capsys):
    """Without a widget what the job prints and publishes is printed as it comes."""

    async def run():
        async with AsyncClient(url) as client:
            steps = [["print", "up"], ["publish", {"a": 1}], ["final", 2]]
            return await (await client.run("steps", steps=steps)).stream()

    info = asyncio.run(run())
    assert info.status == "Completed"
    assert capsys.readouterr().out == 'up\n{"a": 1}\n2\n'


def test_awaited_stream_shows_the_widget(url, notebook, monkeypatch):
    """The job is displayed where there is one, and has all its frames when the cell ends."""
    displayed = []
    monkeypatch.setattr("IPython.display.display", displayed.append)

    async def run():
        async with AsyncClient(url) as client:
            job = await client.run("steps", steps=[["publish", 1], ["final", 2]])
            return job, await job.stream()

    job, info = asyncio.run(run())
    assert displayed == [job] and info.status == "Completed"
    assert len(follow(job.find_widget())[1]) == 2
    job.find_widget().close()


PUBLISHES = """
def main(backend, messenger, values: list):
    for at, value in enumerate(values, 1):
        messenger.publish(value)
        messenger.report_progress(at, len(values), best=-at)
    print("done")
"""


@pytest.fixture
def table(client, tmp_path):
    """Return the table of a job that has published these values."""
    (tmp_path / "publishes.py").write_text(PUBLISHES)
    program = client.upload(tmp_path / "publishes.py", replace=True).id

    def table(*values):
        job = client.run(program, values=list(values))
        job.wait(timeout=30)
        return job.to_dataframe()

    return table


def test_table_has_a_row_for_each_message_and_report(table):
    """Messages have their number, progress its steps and best value; the result has no row."""
    frame = table(0.5, {"iteration": 7, "energy": -1.5, "inner": {"x": 2}})
    assert list(frame.kind) == ["message", "progress"] * 2
    assert frame.number.dropna().to_list() == [1, 2]
    assert frame.step.to_list() == [1, 1, 7, 2]
    assert frame.total.dropna().to_list() == [2, 2] and frame.best.dropna().to_list() == [-1, -2]
    assert frame.value[0] == 0.5
    assert (frame.energy[2], frame["inner.x"][2]) == (-1.5, 2)


@pytest.mark.parametrize("case", json.loads(COLUMN_NAMES.read_text()), ids=lambda one: one["name"])
def test_columns_of_a_message(case):
    """Its step is the one that it names, else its number; each value is in its own column."""
    row = read_only_row(case.get("schema"), case["value"])
    step = 5 if case["step"] is None else case["step"]
    assert row == {"kind": "message", "number": 5, "step": step, **case["columns"]}


def read_only_row(schema, value):
    """The columns that have a value, of a table with one message."""
    table = InterimTable(schema=schema, decoded=True)
    table.take(Message(0, 5, json.dumps(value)))
    row = table.to_dataframe().iloc[0].to_dict()
    return {name: one for name, one in row.items() if numpy.ndim(one) or not pandas.isna(one)}


def test_places_of_one_title_are_numbered():
    """No value of a list is lost, whatever the program's schema calls it."""
    titles = [{"title": "energy"}, {"title": "energy"}, {"title": "energy 2"}, {"title": "[4]"}]
    row = read_only_row({"prefixItems": titles}, [0.5, 1.5, 2.5, 3.5, 4.5])
    del row["kind"], row["number"], row["step"]
    assert row == {"energy": 0.5, "energy 2": 1.5, "energy 2 2": 2.5, "[4]": 3.5, "[4] 2": 4.5}


@pytest.mark.parametrize(
    "schema",
    [
        None,
        1,
        [],
        {"prefixItems": 1},
        {"items": {"title": "x"}},
        {"prefixItems": [None, {"title": ""}]},
        {"prefixItems": [{"title": 5}, {"description": 5}]},
    ],
)
def test_odd_schema_names_no_place(schema):
    """The places have their numbers then."""
    row = read_only_row(schema, [0.5, 1.5])
    assert (row["[0]"], row["[1]"]) == (0.5, 1.5)


def test_table_takes_whatever_is_published(table):
    """Counts stay together, lists have places, and no name takes a column of the table's."""
    clashes = {"kind": "k", "number": 9, "best": "none", "step": 30}
    values = [{"00": 3, "11": 5}, [4, 1.5, "a"], clashes, "text",
              None, [], {}, {"n": 10**400}, {"best": 2.5}, True, {"a": {"01": 1}}]  # fmt: skip
    frame = table(*values)[lambda all_rows: all_rows.kind == "message"].reset_index()
    assert frame.number.to_list() == list(range(1, len(values) + 1))
    assert frame.value[0] == {"00": 3, "11": 5} and frame.value[3] == "text"
    assert (frame.step[1], frame["[1]"][1], frame["[2]"][1]) == (4, 1.5, "a")
    assert (frame["message.kind"][2], frame["message.number"][2]) == ("k", 9)
    assert (frame["message.best"][2], frame.step[2], frame.best[8]) == ("none", 30, 2.5)
    assert frame.n[7] == 10**400 and frame.step[7] == 8
    assert frame.a[10] == {"01": 1}


def test_table_of_a_running_job_is_what_there_is(client, gate):
    """It does not wait for the end, and an empty one has its columns too."""
    job = client.run("steps", steps=[["wait", str(gate)], ["final", 1]])
    assert list(job.to_dataframe().columns) == ["kind", "number", "step", "total", "best", "value"]
    gate.touch()
    job.wait(timeout=30)
    assert len(job.to_dataframe()) == 0


class StallingProxy(CuttingProxy):
    """Passes on all, the frames of a stream after a while: those of a server that is busy."""

    @staticmethod
    def _pass_on(client, server, left):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += server.recv(1)
        client.sendall(head)
        if head.startswith(b"HTTP/1.1 101"):
            time.sleep(0.8)
        CuttingProxy._pass_on(client, server, left)


def test_running_job_s_record_is_whole_however_slow_it_comes(server, connect, client, gate):
    """All that was published is in the table, and in the text, after a stall too."""
    job = client.run("steps", steps=[["count", 50], ["wait", str(gate)], ["final", 1]])
    wait_until(lambda: job.logs().count("\n") == 50, 15)
    with StallingProxy(server.port, 0, 1).listening() as url:
        slow = connect(url).job(job.id)
        assert slow.to_dataframe().number.to_list() == [*range(1, 51)]
        assert describe_job(Address.find(url, ""), job.id).endswith("Running; 50 interim results")
    gate.touch()
    job.wait(timeout=30)


def test_record_of_a_running_job_goes_on_where_its_connection_broke(server, connect, client, gate):
    """Streams that are cut at random places make one table without a hole."""
    job = client.run("steps", steps=[["count", 300], ["wait", str(gate)], ["final", 1]])
    wait_until(lambda: job.logs().count("\n") == 300, 15)
    proxy = CuttingProxy(server.port, 4, seed=3)
    with proxy.listening() as url:
        frame = connect(url).job(job.id).to_dataframe()
    assert proxy.streams == 5
    assert frame.number.to_list() == [*range(1, 301)]
    gate.touch()
    job.wait(timeout=30)


def test_record_that_can_t_be_read_is_an_error(connect, tmp_path, monkeypatch):
    """No part of it is taken for all of it: a stream that does not come back raises."""
    monkeypatch.setattr(job_stream, "TRIES", 2)
    with run_server(tmp_path / "server") as server:
        client = connect(f"http://127.0.0.1:{server.port}")
        job = client.run("steps", steps=[["count", 300], ["wait", "/never"]])
        wait_until(lambda: job.logs().count("\n") == 300, 15)
        proxy = CuttingProxy(server.port, 99, seed=3)
        proxy.random.randrange = lambda *_: 60
        with proxy.listening() as url, pytest.raises(StreamLost, match=job.id):
            connect(url).job(job.id).to_dataframe()


def test_extra_for_notebooks_has_the_client():
    """An environment with ``notebook`` alone can import the client."""
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    extras = project["optional-dependencies"]
    assert f"{project['name']}[client]" in extras["notebook"]
    assert {re.match(r"\w+", one)[0] for one in extras["client"]} == {"httpx", "websockets"}


def test_table_without_pandas_says_what_to_install(client, monkeypatch):
    """The job is not read first."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        client.job("whatever").to_dataframe()


def test_kernel_of_ipython_is_known():
    """A terminal's IPython is no notebook; a kernel is."""
    code = (
        "from IPython.core.interactiveshell import InteractiveShell as Shell\n"
        "from qiskit_runtime.client.job_handle import in_notebook\n"
        "assert not in_notebook()\n"
        "shell = Shell.instance()\n"
        "assert not in_notebook()\n"
        "shell.kernel = object()\n"
        "assert in_notebook()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_state_is_json(url, show):
    """The state that browsers get needs no encoder, whatever a job prints."""
    with Client(url) as client:
        job = client.run("steps", steps=[["bytes", b"\xff\x00".hex()], ["publish", "\ud83d"]])
        facts, frames = follow(show(job))
    assert json.loads(json.dumps([facts, frames])) == [facts, frames]
