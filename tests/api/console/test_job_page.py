"""The page of a job in a browser."""

import base64
import json
import re
import zlib
from datetime import datetime, timedelta
from pathlib import Path

import numpy
import pytest
from playwright.sync_api import expect
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister, transpile
from qiskit.primitives.containers import (
    BitArray,
    DataBin,
    PrimitiveResult,
    PubResult,
    SamplerPubResult,
)

from qiskit_runtime.serialization import RuntimeEncoder
from tests.api.conftest import wait_until


def open_job(page, job_id, **more):
    """Open a job's page by its address."""
    page.goto(
        f"/?view=job&id={job_id}" + "".join(f"&{name}={value}" for name, value in more.items())
    )


def section(page, name):
    """Return the part of the page under this heading."""
    return page.locator("section", has=page.get_by_role("heading", name=name, exact=True))


def test_late_opener_sees_the_whole_curve_and_it_grows(page, server, gate):
    """The values of before are drawn, then those that come; the figure says it in words."""
    job_id = server.run_steps(["count", 30], ["wait", str(gate)], ["publish", -5], ["count", 3])
    wait_until(lambda: server.text(job_id, "logs").count("\n") >= 30)
    open_job(page, job_id)
    figure = page.get_by_role("group", name="value: 30 points")
    expect(figure).to_be_visible()
    expect(figure).to_contain_text("value: last 30, smallest 1")
    gate.touch()
    expect(page.get_by_text("value: last 3, smallest -5")).to_be_visible(timeout=10_000)
    expect(page.get_by_role("heading", name="Job of steps")).to_contain_text("Completed")


def test_curve_is_drawn_in_the_colours_of_the_page(page, server):
    """The canvas has pixels of the curve's colour, on a logarithmic scale too, and zoomed."""
    job_id = server.run_steps(["count", 50])
    server.wait(job_id)
    open_job(page, job_id)
    page.locator("canvas").wait_for()
    count = """() => {
      const canvas = document.querySelector("canvas");
      const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      const seen = {ink: 0, curve: 0};
      for (let at = 0; at < data.length; at += 4) {
        if (data[at + 3] < 200) continue;
        seen.ink += 1;
        const far = Math.hypot(data[at] - 0x4f, data[at + 1] - 0x3f, data[at + 2] - 0xc9);
        if (far < 40) seen.curve += 1;
      }
      return seen;
    }"""
    page.wait_for_timeout(300)
    plain = page.evaluate(count)
    assert plain["curve"] > 200 and plain["ink"] > plain["curve"]
    page.get_by_label("Logarithmic scale").check()
    page.wait_for_timeout(300)
    assert page.evaluate(count) != plain
    page.get_by_role("button", name="Zoom in").click()
    page.wait_for_timeout(300)
    assert page.evaluate("document.querySelector('convergence-plot').plot.scales.x.min") > 20
    page.get_by_role("button", name="Show all").click()
    page.wait_for_timeout(300)
    assert page.evaluate("document.querySelector('convergence-plot').plot.scales.x.min") == 1


def test_counts_are_bars_of_which_64_are_shown(page, server):
    """The most frequent first, or by outcome; what is not shown is one sum."""
    counts = {format(value, "07b"): value + 1 for value in range(100)}
    job_id = server.run_steps(["final", {"ideal": counts, "noisy": {"0000000": 3, "1111111": 1}}])
    server.wait(job_id)
    open_job(page, job_id)
    table = section(page, "Counts").locator("tbody tr")
    expect(table).to_have_count(65)
    expect(table.first).to_contain_text("0000000")
    expect(table.nth(1)).to_contain_text("1111111")
    expect(table.last).to_contain_text("the other 37 outcomes")
    noisy = {"0000000": 0.75, "1111111": 0.25}
    total = sum(counts.values())
    names = {*counts, *noisy}
    distance = sum(abs(counts.get(one, 0) / total - noisy.get(one, 0)) for one in names) / 2
    expect(section(page, "Counts")).to_contain_text(f"ideal and noisy: {distance:.4f}")
    page.get_by_label("Order").select_option("outcome")
    shown = table.locator("th code").all_inner_texts()
    assert shown == sorted(shown)


def write_result(result):
    """The JSON of a primitive's result, as the programs of the library publish it."""
    return json.loads(json.dumps(result, cls=RuntimeEncoder))


def test_bits_of_a_sampler_are_bars(page, server):
    """Each register of each pub, at each place of its parameters, with all bits of the name."""
    rng = numpy.random.default_rng(7)
    wide = BitArray.from_bool_array(rng.integers(0, 2, (2, 50, 9)).astype(bool), order="big")
    small = BitArray.from_samples(["01", "01", "10"], num_bits=2)
    pubs = [
        SamplerPubResult(DataBin(meas=small, shape=())),
        SamplerPubResult(DataBin(c=wide, shape=(2,))),
    ]
    job_id = server.run_steps(["final", write_result(PrimitiveResult(pubs))])
    server.wait(job_id)
    open_job(page, job_id)
    shown = section(page, "Counts")
    for label in ("pubs[1].c[0]", "pubs[1].c[1]"):
        shown.get_by_label(label).uncheck()
    expect(shown.locator("tbody tr")).to_have_count(2)
    expect(shown.locator("tbody tr").first).to_contain_text(re.compile(r"01\s*2\s*66.7 %"))
    for label in ("pubs[0].meas", "pubs[1].c[0]"):
        shown.get_by_label(label).uncheck()
    expect(shown).to_contain_text("Choose a result")
    shown.get_by_label("pubs[1].c[1]").check()
    rows = shown.locator("tbody tr")
    found = {
        row.locator("th").inner_text(): int(row.locator("td").first.inner_text().split()[0])
        for row in rows.all()
    }
    assert found == wide[1].get_counts()


def test_values_of_an_estimator_are_numbers(page, server):
    """Each expectation value with its standard error, in the order of the pub's shape."""
    values = numpy.asfortranarray([[0.5, -1.25], [0.125, 2.0]])
    pubs = [
        PubResult(DataBin(evs=numpy.float64(0.75), stds=0.1, shape=())),
        PubResult(DataBin(evs=values, stds=values / 10, shape=(2, 2))),
    ]
    job_id = server.run_steps(["final", write_result(PrimitiveResult(pubs))])
    server.wait(job_id)
    open_job(page, job_id)
    rows = section(page, "Expectation values").locator("tbody tr")
    expect(rows).to_have_count(5)
    assert [" ".join(text.split()) for text in rows.all_inner_texts()] == [
        "pubs[0] 0.75 0.1", "pubs[1][0, 0] 0.5 0.05", "pubs[1][0, 1] -1.25 -0.125",
        "pubs[1][1, 0] 0.125 0.0125", "pubs[1][1, 1] 2 0.2",
    ]  # fmt: skip


def draw_circuits():
    """The lines of circuits as Qiskit draws them, and each as a list of lines."""
    bell = QuantumCircuit(2, global_phase=0.5)
    bell.h(0)
    bell.cx(0, 1)
    bell.measure_all()
    long = QuantumCircuit(QuantumRegister(2, "alpha"), ClassicalRegister(2, "out"))
    for number in range(30):
        long.rx(number, number % 2)
        long.cx(0, 1)
    long.measure(0, 1)
    placed = transpile(bell, basis_gates=["rz", "sx", "cx"], initial_layout=[0, 1])
    drawn = [bell.draw(), bell.draw(), long.draw(fold=80), placed.draw(fold=-1)]
    return [str(one).split("\n") for one in drawn]


def test_circuits_that_were_printed_are_found(page, server):
    """Each is whole, folded ones too and one after the other, and no table is taken for one."""
    circuits = draw_circuits()
    table = ["┌────┬────┐", "│ q: │ 12 │", "└────┴────┘", "loss: ─────", "q_0: nothing"]
    printed = [
        *table,
        *circuits[0],
        *circuits[1],
        "   ",
        "done",
        *circuits[2],
        *circuits[3],
        *table,
    ]
    job_id = server.run_steps(["print", "\n".join(printed)])
    server.wait(job_id)
    open_job(page, job_id)
    drawn = section(page, "Circuit").locator("pre")
    expect(drawn).to_have_count(4)
    assert [text.split("\n") for text in drawn.all_text_contents()] == circuits
    assert drawn.first.evaluate("one => getComputedStyle(one).whiteSpace") == "pre"
    section(page, "Circuit").get_by_role("link").first.click()
    expect(page.locator("li.linked")).to_contain_text("global phase")


def test_circuit_is_there_while_the_program_runs(page, server, gate):
    """A drawing is shown as soon as it was printed, though nothing is printed after it."""
    (_, circuit, *_) = draw_circuits()
    job_id = server.run_steps(["print", "\n".join(circuit)], ["wait", str(gate)])
    open_job(page, job_id)
    expect(section(page, "Circuit").locator("pre")).to_have_text("\n".join(circuit), timeout=20_000)
    gate.touch()


READ_OUTCOMES = """
async text => (await (await import("/console/outcomes.js")).readOutcomes(text)).counts
"""


@pytest.mark.parametrize("shape", ["(1000000000, 1)", "(1,)", "()", "(0, 1)", "(1, 0)"])
def test_array_that_lies_about_its_size_is_left_alone(page, shape):
    """A result that no library wrote is not drawn, and nothing hangs."""
    page.goto("/")
    form = write_result(BitArray.from_samples(["01"], num_bits=2))
    head = b"\x93NUMPY\x01\x00"
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    packed = zlib.compress(head + len(text).to_bytes(2, "little") + text + b"\x01")
    form["__value__"]["array"]["__value__"] = base64.b64encode(packed).decode()
    assert page.evaluate(READ_OUTCOMES, json.dumps(form)) == []


def test_whole_bits_alone_are_read(page):
    """The same form is read where it is true, so that the test above can fail."""
    page.goto("/")
    form = write_result(BitArray.from_samples(["01"], num_bits=2))
    (read,) = page.evaluate(READ_OUTCOMES, json.dumps(form))
    assert read == {"label": "bits", "counts": {"01": 1}}


def test_amplitudes_are_no_counts(page, server):
    """Square roots of probabilities don't add up to 1: they are no bars."""
    job_id = server.run_steps(["final", {"eigenstate": {"01": 0.9, "10": 0.4359}, "n": 1}])
    server.wait(job_id)
    open_job(page, job_id)
    expect(section(page, "Result")).to_contain_text("eigenstate")
    expect(page.get_by_role("heading", name="Counts")).to_have_count(0)


def test_error_line_is_on_top(page, server):
    """The error is the first thing that one reads, and the log has the traceback."""
    job_id = server.run_steps(["fail", "the cat is dead"])
    server.wait(job_id)
    open_job(page, job_id)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("ValueError: the cat is dead")
    assert alert.bounding_box()["y"] < 300
    expect(section(page, "Log")).to_contain_text("Traceback")


def test_result_opens_and_downloads_as_it_was_published(page, server):
    """The tree opens part by part; the file has the text of the API, all digits of it."""
    job_id = server.run_steps(["final", {"deep": {"deeper": [1, {"x": "deepest"}]}, "n": 2**60}])
    server.wait(job_id)
    open_job(page, job_id)
    tree = section(page, "Result")
    for name in ("deep:", "deeper:", "1:"):
        tree.locator("summary", has_text=name).click()
    expect(tree).to_contain_text("deepest")
    with page.expect_download() as download:
        tree.get_by_role("button", name="Download the result").click()
    assert Path(download.value.path()).read_text() == server.text(job_id, "results")
    assert str(2**60) in Path(download.value.path()).read_text()


def test_log_is_searched_followed_wrapped_linked_and_downloaded(page, server):
    """Each of its tools does what it says, over lines that are not shown at first too."""
    text = "\n".join(
        f"row {number} {'needle' if number % 1000 == 7 else 'hay'}" for number in range(3000)
    )
    job_id = server.run_steps(["print", text])
    server.wait(job_id)
    open_job(page, job_id)
    log = section(page, "Log")
    expect(log).to_contain_text("row 2999")
    assert log.locator("li").count() <= 1000
    search = log.get_by_label("Search the log")
    search.fill("NEEDLE")
    expect(log.get_by_role("status")).to_contain_text("1 of 3 lines")
    expect(log.locator("li.current")).to_contain_text("row 7 ")
    expect(log.locator("li.current")).to_be_in_viewport()
    search.press("Enter")
    expect(log.locator("li.current")).to_contain_text("row 1007 ")
    search.press("Shift+Enter")
    expect(log.locator("li.current")).to_contain_text("row 7 ")
    log.get_by_role("button", name="Show later lines").click()
    expect(log).to_contain_text("row 1200")
    log.get_by_label("Wrap").check()
    assert (
        log.locator("li span").first.evaluate("one => getComputedStyle(one).whiteSpace")
        == "pre-wrap"
    )
    log.get_by_label("Follow").check()
    expect(log.locator("li").last).to_contain_text("row 2999")
    with page.expect_download() as download:
        log.get_by_role("button", name="Download the log").click()
    assert Path(download.value.path()).read_text() == text + "\n"


def test_link_to_a_line_opens_it(page, server):
    """The line's number is the record's: the link shows it, marked, also far from the end."""
    job_id = server.run_steps(["print", "\n".join(f"row {number}" for number in range(2500))])
    server.wait(job_id)
    open_job(page, job_id, line=40)
    linked = page.locator("li.linked")
    expect(linked).to_be_in_viewport()
    expect(linked).to_contain_text("row ")
    number = int(linked.get_by_role("link").inner_text())
    assert number == 40
    assert f"line={number}" in linked.get_by_role("link").get_attribute("href")


def tell_stages(page, job_id, **stages):
    """Let the API tell the stages that a pod has on a cluster: its seconds after the job's post."""

    def add(route):
        answer = route.fetch()
        job = answer.json()
        posted = datetime.fromisoformat(job["created"]).replace(microsecond=0)
        for name, after in stages.items():
            job[name] = (posted + timedelta(seconds=after)).isoformat()
        route.fulfill(response=answer, json=job)

    page.route(f"**/jobs/{job_id}*", add)


def test_timeline_has_the_stages_of_the_pod(page, server):
    """Node and container have their times, between the queue and the run; in local mode none."""
    job_id = server.run_steps()
    server.wait(job_id)
    open_job(page, job_id)
    items = section(page, "Timeline").get_by_role("listitem")
    expect(items).to_have_count(4)
    tell_stages(page, job_id, scheduled=1, containerStarted=4)
    page.reload()
    expect(items).to_have_count(6)
    expect(items.nth(2)).to_contain_text("Pod scheduled")
    expect(items.nth(3)).to_contain_text("3 s after its pod was scheduled")
    expect(items.nth(4)).to_contain_text("Running")


def test_timeline_says_that_a_pod_was_started_ahead(page, server):
    """A pod that waited for a job is above the post, and said to be ahead."""
    job_id = server.run_steps()
    server.wait(job_id)
    tell_stages(page, job_id, scheduled=-60, containerStarted=-58)
    open_job(page, job_id)
    items = section(page, "Timeline").get_by_role("listitem")
    expect(items.nth(0)).to_contain_text("Pod scheduled (ahead of the job)")
    expect(items.nth(1)).to_contain_text("container started (ahead of the job)")
    expect(items.nth(2)).to_contain_text("Posted")


def test_person_cancels_a_running_job(page, server, gate):
    """After a question the program is ended, and the page says who wanted it."""
    job_id = server.run_steps(["wait", str(gate)])
    server.wait(job_id, while_in=("Queued",))
    open_job(page, job_id)
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.get_by_role("button", name="Cancel").click()
    assert server.job(job_id)["status"] == "Running"
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("heading", name="Job of steps")).to_contain_text(
        "Cancelled", timeout=10_000
    )


def test_person_deletes_an_ended_job(page, server):
    """It is gone after a question, and its address says so."""
    job_id = server.run_steps()
    server.wait(job_id)
    open_job(page, job_id)
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("heading", name="Jobs", exact=True).wait_for()
    assert server.http.get(f"/jobs/{job_id}").status_code == 404


def test_job_runs_again_with_the_same_seed(page, server):
    """The second one has the parameters, the tags and the seed of the first, and its result."""
    first = server.run("hello-quantum", params='{"greeting": "once more"}', tags=["twin"])
    ended = server.wait(first)
    open_job(page, first)
    page.get_by_role("button", name="Run again, same seed").click()
    page.wait_for_url(lambda url: first not in url)
    second = page.url.rpartition("id=")[2]
    again = server.wait(second)
    assert again["seeds"] == ended["seeds"] and again["tags"] == ["twin"]
    assert json.loads(again["params"][0])["greeting"] == "once more"
    assert server.text(second, "results") == server.text(first, "results")


def test_address_of_a_job_that_is_not_there_says_so(page, expected):
    """An address of a job that is not there shows a sentence."""
    expected.add("404 (Not Found)")
    open_job(page, "00000000-0000-4000-8000-000000000000")
    expect(page.get_by_role("alert")).to_contain_text("There is no such job")
