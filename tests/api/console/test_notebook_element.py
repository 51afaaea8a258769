"""The console's element for notebooks, on a page without a server: the kernel is played."""

import json
import re

import numpy
import pytest
from playwright.sync_api import Error, expect
from qiskit.primitives.containers import (
    BitArray,
    DataBin,
    PrimitiveResult,
    PubResult,
    SamplerPubResult,
)

from qiskit_runtime.client.dataframe import name_places
from qiskit_runtime.console.bundle import ENTRY, FOLDER, bundle_notebook, read_modules
from qiskit_runtime.serialization import RuntimeEncoder
from tests.api.console.test_hostile_text import CORPUS

MODEL = """
(state, source) => {
  const listeners = new Set();
  const model = {
    get: name => state[name],
    on: (_, listener) => listeners.add(listener),
    off: (_, listener) => listeners.delete(listener),
    tell: more => { Object.assign(state, more); [...listeners].forEach(listener => listener()); },
    listeners,
  };
  (window.models ??= []).push(model);
  const el = document.body.appendChild(document.createElement("div"));
  const url = URL.createObjectURL(new Blob([source], {type: "text/javascript"}));
  return import(url).then(loaded => loaded.default.render({model, el}))
    .then(end => { (window.ends ??= []).push(end); });
}
"""
"""What anywidget does with the text of a widget."""

ALONE = "http://127.0.0.1:1/"
"""The address of a page that the test plays itself."""

ODD = re.compile("[\u0000-\u0008\u000b-\u001f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")
"""Characters that would act."""

PAPER = """() => getComputedStyle(document.querySelector("div").shadowRoot
  .querySelector("notebook-job")).backgroundColor"""

POINTS = """() => document.querySelector("div").shadowRoot
  .querySelector("convergence-plot").plot.data.map(one => one.length)"""


@pytest.fixture
def lab(chromium):
    """A page where the element can be shown; whatever else is asked for fails the test."""
    context = chromium.new_context(viewport={"width": 900, "height": 900})
    page = context.new_page()
    problems, asked = [], []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda one: one.type == "error" and problems.append(one.text))
    page.on("request", lambda request: asked.append(request.url))
    page.route(ALONE, lambda route: route.fulfill(body="<body>", content_type="text/html"))
    page.goto(ALONE)
    yield page
    context.close()
    assert problems == []
    assert [url for url in asked if url != ALONE and not url.startswith("blob:")] == []


def show(page, *frames, **facts):
    """Show a job with these frames."""
    state = {"facts": {"program": "p", "status": "Running", **facts}, "part_0": list(frames)}
    page.evaluate(f"([state, source]) => ({MODEL})(state, source)", [state, bundle_notebook()])


def tell(page, **more):
    """Send more, as a kernel does."""
    page.evaluate("more => models[0].tell(more)", more)


def publish(number, value, *, final=False):
    """The frame of a message."""
    return {"type": "message", "number": number, "final": final, "text": json.dumps(value)}


def console(line, text):
    """The frame of a printed line."""
    return {"type": "console", "line": line, "text": text, "newline": True}


def test_a_job_grows_by_what_the_kernel_sends(lab):
    """Parts that grow, and parts that follow, are drawn each frame once; the end has counts."""
    first = [publish(at, at / 2) for at in range(1, 4)]
    show(lab, *first, progress={"done": 3, "total": 9, "best": -1.25})
    expect(lab.get_by_role("group", name="value: 3 points")).to_be_visible()
    expect(lab.locator("notebook-job [role=status]")).to_contain_text("3 of 9, best -1.25")
    tell(lab, part_0=[*first, publish(4, 7), console(1, "cold")])
    expect(lab.get_by_text("value: last 7, smallest 0.5")).to_be_visible()
    expect(lab.get_by_text("cold")).to_be_visible()
    expect(lab.get_by_role("list", name="Log").get_by_role("link")).to_have_count(0)
    more = [publish(5, 8)]
    tell(lab, part_1=more)
    tell(lab, part_1=[*more, publish(6, 9)], part_2=[publish(7, {"00": 3, "11": 5}, final=True)])
    tell(lab, facts={"program": "p", "status": "Completed"})
    expect(lab.locator("notebook-job .status")).to_have_text("Completed")
    expect(lab.locator("notebook-job [role=status]")).to_contain_text("Interim results: 6")
    expect(lab.locator("counts-bars tbody tr")).to_have_count(2)
    expect(lab.locator("counts-bars tbody tr").first).to_contain_text("11")
    lab.wait_for_timeout(200)
    assert lab.evaluate(POINTS) == [6, 6]


def test_results_of_primitives_are_drawn(lab):
    """A sampler's bits are bars, and an estimator's values numbers, as on the job's page."""
    bits = BitArray.from_samples(["01", "01", "10"], num_bits=2)
    values = DataBin(evs=numpy.float64(0.75), stds=0.125, shape=())
    pubs = [SamplerPubResult(DataBin(meas=bits, shape=())), PubResult(values)]
    result = json.loads(json.dumps(PrimitiveResult(pubs), cls=RuntimeEncoder))
    show(lab, publish(1, result, final=True))
    bars = lab.locator("counts-bars tbody tr")
    expect(bars).to_have_count(2)
    expect(bars.first).to_contain_text(re.compile(r"01\s*2\s*66.7 %"))
    expect(lab.locator("estimates-table tbody")).to_contain_text(re.compile(r"0.75\s*0.125"))


def test_values_named_like_javascript_s_own_are_shown(lab):
    """A curve and a column have the names that the program gave them, where they have values."""
    pubs = [
        PubResult(DataBin(constructor=numpy.float64(0.5), shape=())),
        PubResult(DataBin(evs=numpy.float64(0.75), shape=())),
    ]
    result = json.loads(json.dumps(PrimitiveResult(pubs), cls=RuntimeEncoder))
    messages = [publish(at, {"constructor": at}) for at in (1, 2)]
    show(lab, *messages, publish(3, result, final=True))
    expect(lab.get_by_role("group", name="constructor: 2 points")).to_be_visible()
    table = lab.locator("estimates-table")
    expect(table.locator("thead")).to_contain_text(re.compile(r"constructor\s*Value"))
    rows = [" ".join(text.split()) for text in table.locator("tbody tr").all_inner_texts()]
    assert rows == ["pubs[0] 0.5 \u2013", "pubs[1] \u2013 0.75"]


ODD_SCHEMAS = [
    {"prefixItems": [{"description": 5}, {"title": ["x"]}, {"title": "", "description": "The y."}]},
    {"prefixItems": {}},
    {"prefixItems": "xy"},
    {"items": {"title": "x"}},
    {"items": [None, True, {"title": "y"}]},
    {"prefixItems": 5},
    "text",
    None,
]


@pytest.mark.parametrize("schema", ODD_SCHEMAS)
def test_schema_of_an_odd_form_names_what_it_can(lab, schema):
    """The job is shown all the same, its curves by the names that a table of pandas has."""
    show(lab, publish(1, ["a", 2, 3]), publish(2, ["b", 4, 5]), interim_results=schema)
    names = name_places(schema)
    shown = ", ".join(names.get(place, f"[{place}]") for place in (1, 2))
    expect(lab.get_by_role("group", name=f"{shown}: 2 points")).to_be_visible()


BREAK = """() => {
  const {createObjectURL} = URL;
  const broken = new Blob(["throw new Error('once')"], {type: "text/javascript"});
  let made = 0;
  URL.createObjectURL = blob => createObjectURL.call(URL, made++ ? broken : blob);
  window.mend = () => { URL.createObjectURL = createObjectURL; };
}"""
"""Let all modules fail that the loader makes, which is made before them."""


def test_display_after_one_that_failed_loads_again(lab):
    """The next display of a job loads what the page could not load once."""
    lab.evaluate(BREAK)
    with pytest.raises(Error, match="once"):
        show(lab, publish(1, 5))
    lab.evaluate("mend()")
    show(lab, publish(1, 5), publish(2, 6))
    expect(lab.get_by_role("group", name="value: 2 points")).to_be_visible()


def test_late_display_has_the_whole_curve_and_a_page_has_many_jobs(lab):
    """Two jobs, the second from texts of another version, are drawn beside each other."""
    show(lab, *(publish(at, at) for at in range(1, 301)))
    state = {"facts": {}, "part_0": [publish(1, 5)], "part_1": [publish(2, 6)]}
    other = bundle_notebook().replace('const VERSION = "', 'const VERSION = "another ')
    lab.evaluate(f"([state, source]) => ({MODEL})(state, source)", [state, other])
    expect(lab.get_by_role("group", name="value: 300 points")).to_be_visible()
    expect(lab.get_by_role("group", name="value: 2 points")).to_be_visible()
    assert lab.locator("canvas").count() == 2


def test_a_removed_output_listens_no_more(lab):
    """Its listener and its plot are gone."""
    show(lab, publish(1, 1))
    expect(lab.locator("canvas")).to_be_visible()
    lab.evaluate("ends[0](); document.querySelector('div').remove()")
    assert lab.evaluate("models[0].listeners.size") == 0


def test_texts_are_seen_as_texts(lab):
    """Whatever a program prints, publishes or fails with: nothing runs, nothing hides."""
    texts = [text for name, text in CORPUS.items() if name != "surrogate"]
    frames = [console(line, text) for line, text in enumerate(texts, 1)]
    frames += [publish(at, {text: at, "x": 1}) for at, text in enumerate(texts[:8], 1)]
    frames += [publish(99, {"a": dict.fromkeys(texts, 1), "b": {"00": 1}}, final=True)]
    all_texts = "".join(texts)
    show(lab, *frames, error=all_texts, note=all_texts, program=all_texts, status="Failed")
    expect(lab.get_by_role("alert")).to_be_visible()
    lab.wait_for_timeout(300)
    seen = lab.evaluate("""() => {
      const root = document.querySelector("div").shadowRoot;
      const made = ["script", "iframe", "img", "[onerror]", "[onload]", "[href]"];
      return {hit: window.hit ?? null, made: made.filter(one => root.querySelector(one)),
              text: root.querySelector("notebook-job").innerText};
    }""")
    assert (seen["hit"], seen["made"]) == (None, [])
    assert "<script>window.hit = 1</script>" in seen["text"]
    assert not ODD.search(seen["text"])


@pytest.mark.parametrize(
    ("attributes", "theme"),
    [({"jpThemeLight": "false"}, "dark"), ({"jpThemeLight": "true"}, "light"),
     ({"vscodeThemeKind": "vscode-dark"}, "dark"), ({}, "")],
)  # fmt: skip
def test_colours_are_those_of_the_notebook(lab, attributes, theme):
    """JupyterLab's and VS Code's choice counts, also when it changes; the system's otherwise."""
    show(lab, publish(1, 1))
    lab.evaluate("attributes => Object.assign(document.body.dataset, attributes)", attributes)
    expect(lab.locator("div").first).to_have_attribute("data-theme", theme)
    paper = lab.evaluate(PAPER)
    assert paper == ("rgb(30, 33, 39)" if theme == "dark" else "rgb(255, 255, 255)")


def test_page_around_it_keeps_its_style(lab):
    """The console's style sheet reaches nothing of the notebook's."""
    before = lab.evaluate("getComputedStyle(document.body).cssText")
    show(lab, publish(1, 1))
    assert lab.evaluate("document.styleSheets.length + document.adoptedStyleSheets.length") == 0
    assert lab.evaluate("getComputedStyle(document.body).fontFamily") in before or not before


def test_the_bundle_is_the_console_s_own_modules():
    """Each is the file that the console loads, behind what it imports, and none asks a server."""
    modules = read_modules(ENTRY)
    seen = set()
    for name, text in modules.items():
        assert text == (FOLDER / name).read_text("utf-8")
        if not name.startswith("./vendor/"):
            imported = re.findall(r'"(\./[^"]+\.js)"', text)
            assert set(imported) <= seen and text.count("import(") == text.count('import("./')
            # A page may have loaded an element already, of another kernel.
            assert "customElements.define(" not in text or name == "./element.js"
            assert not re.search(r"\bfetch\(|WebSocket|XMLHttpRequest", text)
        seen.add(name)
    assert {
        "./convergence-plot.js",
        "./job-outcomes.js",
        "./primitives.js",
        "./log-view.js",
    } <= seen
