"""Programs, their form and their upload, backends, the server, and comparisons, in a browser."""

import base64
import json
import re

from playwright.sync_api import expect

PROGRAM = """
def main(backend, messenger, count=3, name="x"):
    for value in range(count):
        messenger.publish(value)
    return {"name": name, "count": count}
"""


def drop(page, name, text):
    """Drop a file onto the place for programs, as a person does from a folder."""
    transfer = page.evaluate_handle(
        "([name, text]) => { const data = new DataTransfer();"
        " data.items.add(new File([text], name)); return data; }",
        [name, text],
    )
    page.locator("section.drop").dispatch_event("drop", {"dataTransfer": transfer})


def test_dropped_file_is_a_program_that_runs(page, server):
    """It is in the list, has a page with a form, and a job of it has its result."""
    page.goto("/?view=programs")
    page.locator("section.drop").wait_for()
    drop(page, "dropped.py", PROGRAM)
    expect(page.get_by_role("status")).to_contain_text("Uploaded as")
    page.get_by_role("link", name="dropped", exact=True).click()
    page.get_by_label("Parameters, as a JSON object").fill('{"count": 4}')
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("heading", name="Job of")).to_contain_text("Completed", timeout=20_000)
    expect(page.locator("section", has_text="Result").first).to_contain_text('"x"')


def test_file_that_is_refused_is_told(page, expected):
    """The page says why the server does not take it."""
    expected.add("409 (Conflict)")
    page.goto("/?view=programs")
    page.get_by_label("Program file").set_input_files(
        {"name": "vqe.py", "mimeType": "text/x-python", "buffer": PROGRAM.encode()}
    )
    expect(page.get_by_role("alert")).to_contain_text("vqe")


def test_form_names_what_is_wrong_beside_its_field(page, expected):
    """A missing value, one that is no JSON, and one that the server refuses by the schema."""
    page.goto("/?view=program&id=vqe")
    operator, shots = page.get_by_label("operator", exact=False).first, page.get_by_label("shots")
    operator.fill("")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_text("This is required.")).to_be_visible()
    expect(operator).to_be_focused()
    operator.fill('[["ZZ", 1')
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_text("This is no JSON.")).to_be_visible()
    operator.fill('[["ZZ", 1]]')
    shots.fill("0")
    expected.add("422 (Unprocessable Entity)")
    expected.add("422 (Unprocessable Content)")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("shots")
    expect(shots).to_have_attribute("aria-invalid", "true")
    expect(shots).to_be_focused()


def test_form_sends_numbers_with_all_their_digits(page, server):
    """A seed of 2**53 + 1 and more is posted as it was typed."""
    seed = 2**62 + 1
    page.goto("/?view=program&id=vqe")
    page.get_by_label("optimizer", exact=True).fill("COBYLA")
    page.get_by_label("shots").fill("null")
    page.get_by_label("seed_simulator").fill(str(seed))
    page.get_by_label("measurement_error_mitigation").select_option("false")
    page.get_by_label("Tags").fill("one, two")
    page.get_by_label("Backend").select_option("aer_simulator_statevector")
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("heading", name="Job of vqe").wait_for()
    job = server.wait(page.url.rpartition("id=")[2])
    params = json.loads(job["params"][0])
    assert params["seed_simulator"] == seed and params["optimizer"] == "COBYLA"
    assert params["shots"] is None and params["measurement_error_mitigation"] is False
    assert job["tags"] == ["one", "two"] and job["backend"] == "aer_simulator_statevector"


def test_map_of_a_device_is_drawn_with_its_errors(page):
    """Each qubit and connection once; the errors are in a table, the worst is the darkest."""
    page.goto("/?view=backends")
    page.get_by_role("link", name="aer_montreal", exact=True).click()
    expect(page.locator("svg.map circle")).to_have_count(27)
    expect(page.locator("svg.map line")).to_have_count(28)
    page.locator("summary", has_text="Errors").click()
    tables = page.locator("section", has_text="Errors").last.locator("table")
    expect(tables.nth(0).locator("tbody tr")).to_have_count(27)
    rows = tables.nth(1).locator("tbody tr").all_inner_texts()
    errors = {name: float(value) for name, value in (row.split("\t") for row in rows)}
    assert len(errors) == 28 and all(0 < error < 0.2 for error in errors.values())
    worst = max(errors, key=errors.get)
    lines = page.locator("svg.map line")
    opacities = {
        line.locator("title").text_content().partition(":")[0].strip(): line.get_attribute(
            "stroke-opacity"
        )
        for line in lines.all()
    }
    assert float(opacities[worst]) == max(map(float, opacities.values())) == 1.0


def test_simulator_without_a_map_says_so(page):
    """Its qubits are all connected."""
    page.goto("/?view=backend&name=aer_simulator")
    expect(page.get_by_text("Every qubit is connected with every other.")).to_be_visible()
    expect(page.get_by_text("It has no errors.")).to_be_visible()


def test_system_page_has_the_servers_numbers(page, server):
    """Version, mode, and jobs by their state."""
    page.goto("/?view=system")
    system = server.http.get("/system").json()
    shown = page.locator("dl")
    expect(shown).to_contain_text(system["version"])
    expect(shown).to_contain_text("local: one machine")
    expect(shown).to_contain_text(re.compile(rf"Workers\s*0 of {system['workers']}"))


def test_system_page_of_a_cluster_has_pods_and_storage(page, server):
    """The pods that wait and the storage that is taken are told, where the server tells them."""
    told = server.http.get("/system").json() | {
        "mode": "kubernetes", "workers": None, "running": 3, "max_jobs": 5000,
        "warm_pods": {"ready": 2, "starting": 1},
        "storage_bytes": 400 * 2**20, "stored_bytes": 100 * 2**20,
    }  # fmt: skip
    page.route("**/system", lambda route: route.fulfill(json=told))
    page.goto("/?view=system")
    shown = page.locator("dl")
    expect(shown).to_contain_text(re.compile(r"each in a pod\s*3"))
    expect(shown).to_contain_text(re.compile(r"Pods started ahead\s*2 ready, 1 starting"))
    bar = page.get_by_role("progressbar", name="100.0 MiB of 400.0 MiB")
    assert bar.evaluate("one => one.position") == 0.25


def test_jobs_are_compared(page, server):
    """The parameters that differ, the curves over each other, the counts with their distance."""
    ids = [
        server.run_steps(["count", number], ["final", {"00": number, "11": 10}])
        for number in (10, 20)
    ]
    for job_id in ids:
        server.wait(job_id)
    page.goto(f"/?view=compare&id={ids[0]}&id={ids[1]}")
    expect(page.get_by_role("heading", name="Comparison of 2 jobs")).to_be_visible()
    rows = page.locator("tbody").first.locator("tr")
    expect(rows.filter(has_text="steps")).to_have_class("differs")
    assert "Backend" not in page.locator("tbody").first.inner_text()
    page.get_by_label("Only what differs").uncheck()
    expect(rows.filter(has_text="Backend")).to_have_count(1)
    names = [f"steps {job_id[:8]} value" for job_id in ids]
    expect(page.get_by_role("group", name=f"{names[0]}, {names[1]}: 20 points")).to_be_visible()
    distance = abs(10 / 20 - 20 / 30)
    expect(page.get_by_text(f"steps {ids[1][:8]}: {distance:.4f}")).to_be_visible()


def test_comparison_grows_with_its_jobs(page, server, gate):
    """Counts, status and parameters of a job that ends while they are compared are shown."""
    ends = ["final", {"00": 10, "11": 10}]
    first = server.run(params=json.dumps({"steps": [ends]}))
    second = server.run_steps(["count", 3], ["wait", str(gate)], ["final", {"00": 20, "11": 10}])
    server.wait(first)
    page.goto(f"/?view=compare&id={first}&id={second}")
    head = page.locator("table.counts thead")
    expect(head).to_contain_text(first[:8])
    expect(page.get_by_role("group", name=f"steps {second[:8]} value")).to_be_visible()
    expect(head).not_to_contain_text(second[:8])
    status = page.get_by_role("row", name="Status")
    expect(status).to_contain_text("Running")
    gate.touch()
    expect(head).to_contain_text(second[:8])
    expect(page.get_by_text(f"steps {second[:8]}: {20 / 30 - 10 / 20:.4f}")).to_be_visible()
    expect(status).to_have_count(0)
    expect(page.locator("tbody").first).to_contain_text("wait")


def test_parameters_named_like_javascript_s_own_are_compared(page, server):
    """A parameter that one job alone has is missing of the other, whatever its name."""
    body = {"name": "any-name", "data": base64.b64encode(NESTED_PROGRAM.encode()).decode()}
    program = server.http.post("/programs", json=body).raise_for_status().json()["id"]
    ids = [server.run(program, params=text) for text in ('{"constructor": 1}', "{}")]
    for job_id in ids:
        server.wait(job_id)
    page.goto(f"/?view=compare&id={ids[0]}&id={ids[1]}")
    expect(page.get_by_role("row", name="constructor")).to_contain_text(re.compile("1\\s*\u2013"))


def test_comparison_has_any_curve_and_any_counts(page, server):
    """Each column of the messages can be drawn for all jobs, and each counts of each result."""
    columns = [["publish", {"iteration": n, "energy": -n, "bound": n, "tail": 9}] for n in range(4)]
    result = {name: {"0": number, "1": 5} for number, name in enumerate("abc", 1)}
    ids = [server.run_steps(*columns, ["final", result]) for _ in range(2)]
    for job_id in ids:
        server.wait(job_id)
    page.goto(f"/?view=compare&id={ids[0]}&id={ids[1]}")
    first, second = (f"steps {job_id[:8]}" for job_id in ids)
    expect(page.get_by_role("group", name=f"{first} energy, {second} energy: 4")).to_be_visible()
    curves = page.get_by_role("group", name="Curves that are shown")
    curves.get_by_label("bound").check()
    curves.get_by_label("tail").check()
    columns = ("energy", "bound", "tail")
    names = ", ".join(f"{job} {name}" for job in (first, second) for name in columns)
    expect(page.get_by_role("group", name=f"{names}: 4 points")).to_be_visible()
    assert page.evaluate("document.querySelector('convergence-plot').plot.series.length") == 7
    head = page.locator("table.counts thead")
    expect(head).to_contain_text(f"{first} a")
    expect(head).not_to_contain_text(f"{first} b")
    page.get_by_role("checkbox", name=f"{first} b").check()
    page.get_by_role("checkbox", name=f"{second} c").check()
    for label in (f"{first} a", f"{first} b", f"{second} a", f"{second} c"):
        expect(head).to_contain_text(label)


def test_run_again_edited_begins_with_the_jobs_parameters(page, server):
    """The form has them, those that the schema does not name too, and posts what was changed."""
    params = f'{{"steps": [["final", {{"a": 1}}], ["ignore", {2**60 + 1}]]}}'
    first = server.run("steps", params=params, tags=["kept"])
    server.wait(first)
    page.goto(f"/?view=job&id={first}")
    page.get_by_role("link", name="Run again, edited").click()
    field = page.get_by_label("steps")
    assert json.loads(field.input_value()) == [["final", {"a": 1}], ["ignore", 2**60 + 1]]
    expect(page.get_by_label("Tags")).to_have_value("kept")
    field.fill('[["final", {"a": 2}]]')
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("heading", name="Job of steps").wait_for()
    second = page.url.rpartition("id=")[2]
    server.wait(second)
    assert json.loads(server.text(second, "results")) == {"a": 2}


NESTED = {
    "type": "object",
    "required": ["solver"],
    "properties": {
        "solver": {
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": {"type": "string"},
                "limits": {
                    "type": "object",
                    "properties": {"steps": {"type": "integer", "minimum": 1}},
                },
            },
        },
        "terms": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["label"],
                "properties": {"label": {"type": "string"}, "weight": {"type": "number"}},
            },
        },
    },
}
NESTED_PROGRAM = "def main(backend, messenger, **given):\n    return given\n"


def test_objects_and_lists_of_objects_have_fields(page, server, expected):
    """They are filled in, refused beside the inner field, posted whole, and filled in again."""
    expected.add("422 (Unprocessable Content)")
    expected.add("422 (Unprocessable Entity)")
    program = {
        "name": "nested",
        "description": "Gives back what it was given.",
        "data": base64.b64encode(NESTED_PROGRAM.encode()).decode(),
        "spec": {"parameters": NESTED},
    }
    program_id = server.http.post("/programs", json=program).raise_for_status().json()["id"]
    page.goto(f"/?view=program&id={program_id}")
    run = page.get_by_role("button", name="Run", exact=True)
    run.click()
    expect(page.get_by_label("name", exact=False).first).to_be_focused()
    page.get_by_label("name", exact=False).first.fill("SPSA")
    page.get_by_label("steps").fill("0")
    for number, label in ((1, "ZZ"), (2, "lost"), (3, "XX")):
        page.get_by_role("button", name="Add an entry").click()
        group = page.get_by_role("group", name=f"terms {number}")
        group.get_by_label("label").fill(label)
        group.get_by_label("weight").fill(f"{number}.50")
    page.get_by_role("group", name="terms 2").get_by_role("button", name="Remove").click()
    run.click()
    expect(page.get_by_label("steps")).to_be_focused()
    expect(page.locator(".field", has_text="steps")).to_contain_text("less than the minimum of 1")
    page.get_by_label("steps").fill("7")
    run.click()
    expect(page.get_by_role("heading", name="Job of")).to_contain_text("Completed", timeout=20_000)
    first = page.url.rpartition("id=")[2]
    given = {
        "solver": {"name": "SPSA", "limits": {"steps": 7}},
        "terms": [{"label": "ZZ", "weight": 1.5}, {"label": "XX", "weight": 3.5}],
    }
    assert json.loads(server.text(first, "results")) == given
    page.get_by_role("link", name="Run again, edited").click()
    expect(page.get_by_role("group", name="terms 2").get_by_label("weight")).to_have_value("3.50")
    page.get_by_role("button", name="Write it as JSON terms").click()
    text = page.get_by_label("terms", exact=True).input_value()
    assert json.loads(text) == given["terms"] and "3.50" in text


SPLIT = """
async texts => {
  const {joinParams, splitParams} = await import("/console/fields.js");
  const {withSeed} = await import("/console/run-again.js");
  return texts.map(text => [joinParams([...splitParams(text)]), withSeed(text, 7)]);
}
"""


def test_parameters_are_taken_apart_without_a_loss(page):
    """Digits, escapes and nested names stay as they were; a seed is added where there is none."""
    page.goto("/")
    big = 2**70 + 1
    texts = [
        f'{{"a": {big}, "b" : [1.50, {{"seed_simulator": 1}}], "c\\"}}": "x,\\\\"}}',
        "{}",
        f'{{"seed_simulator": {big}}}',
        '{"n":null,"seed_simulator": null , "z":{"y":[]}}',
    ]
    split = page.evaluate(SPLIT, texts)
    for text, (joined, _) in zip(texts, split):
        assert json.loads(joined) == json.loads(text)
    assert str(big) in split[0][0] and "1.50" in split[0][0]
    seeded = [json.loads(with_seed)["seed_simulator"] for _, with_seed in split]
    assert seeded == [7, 7, big, 7]
    assert str(big) in split[0][1] and split[2][1] == texts[2]
