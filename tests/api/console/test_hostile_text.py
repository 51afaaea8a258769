"""Texts of programs that mean harm, or are odd: each is seen as text, wherever it is shown."""

import json

import pytest
from playwright.sync_api import expect

CORPUS = {
    "script": "<script>window.hit = 1</script>",
    "image": '<img src=x onerror="window.hit = 1">',
    "svg": "<svg/onload=window.hit=1>",
    "attribute": '"><img src=x onerror=window.hit=1>',
    "closing": "</pre></li></ol><iframe srcdoc='<script>parent.hit=1</script>'></iframe>",
    "template": "${window.hit = 1} {{constructor.constructor('window.hit=1')()}}",
    "lit": "<!--lit-part--><?lit$123456789$>",
    "link": '<a href="javascript:window.hit=1">click</a>',
    "style": "<style>body { display: none }</style>",
    "ansi": "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b[2J",
    "bidi": "user \u202e\u2066nimda\u2069\u202c end",
    "isolates": "\u2067abc\u061c\u200f",
    "unseen": "a\u200bb\u2060c\ufeffd\u00ade",
    "controls": "".join(map(chr, range(1, 32))) + "\x7f\x85\x9b",
    "separators": "one\u2028two\u2029three",
    "surrogate": "\ud83d half",
    "emoji": "ψ⟩ 🐈\u200d⬛ über",
    "long": "x" * 5000,
    "tall": "Z" + "\u0300" * 200,
}

SHOWN = """
() => {
  const {body} = document;
  const odd = new RegExp("[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f" +
    "\\u200b-\\u200f\\u202a-\\u202e\\u2066-\\u2069]");
  const made = ["script", "iframe", "img", "style", "[onerror]", "[onload]", "[href^=javascript]"];
  return {
    hit: window.hit ?? null,
    odd: [...body.innerText].filter(one => odd.test(one)),
    made: made.filter(one => document.querySelector(`main ${one}`)),
    width: document.documentElement.scrollWidth - innerWidth,
    display: getComputedStyle(body).display,
  };
}
"""
"""The fate of the texts: whether any ran, is there as a sign of its own, or made an element."""


@pytest.fixture(scope="module")
def hostile(server):
    """A job that prints and publishes the corpus, and fails with it; and one that ends with it."""
    printed = [["print", text.encode(errors="replace").decode()] for text in CORPUS.values()]
    published = [["publish", {name: text}] for name, text in CORPUS.items() if name != "surrogate"]
    raw = ["bytes", b"\xff\xfe\x00 not text\r\rover\n".hex()]
    failing = server.run_steps(*printed, raw, ["fail", CORPUS["image"] + CORPUS["bidi"]])
    final = {text: text for name, text in CORPUS.items() if name != "surrogate"}
    ending = server.run_steps(*published, ["final", final], tags=[CORPUS["script"], CORPUS["bidi"]])
    for job_id in (failing, ending):
        server.wait(job_id)
    return failing, ending


def check(page):
    """See that nothing on the page is more than text."""
    seen = page.evaluate(SHOWN)
    assert seen["hit"] is None and seen["odd"] == [] and seen["made"] == []
    assert seen["display"] != "none" and seen["width"] <= 0


def test_what_is_printed_and_raised_is_text(page, hostile):
    """The log and the error's line show every character or a sign for it."""
    failing, _ = hostile
    page.goto(f"/?view=job&id={failing}")
    expect(page.get_by_role("alert")).to_contain_text(CORPUS["image"])
    log = page.locator("log-view")
    expect(log).to_contain_text(CORPUS["closing"])
    expect(log).to_contain_text("␛[31mred␛[0m ␛]0;title␇ ␛[2J")
    expect(log).to_contain_text("user ⟨U+202E⟩⟨U+2066⟩nimda⟨U+2069⟩⟨U+202C⟩ end")
    expect(log).to_contain_text("ψ⟩ 🐈")
    check(page)


def test_what_is_published_is_text(page, hostile):
    """The result, the interim results, the parameters and the tags too."""
    _, ending = hostile
    page.goto(f"/?view=job&id={ending}")
    page.locator("summary", has_text="Interim results").click()
    result = page.locator("section", has=page.get_by_role("heading", name="Result"))
    expect(result).to_contain_text(json.dumps(CORPUS["image"]))
    expect(page.locator("section", has_text="Interim results").last).to_contain_text("svg/onload")
    expect(page.locator("dl")).to_contain_text(CORPUS["script"])
    check(page)


def test_lists_and_comparisons_show_text(page, hostile):
    """Tags and messages in the table, and parameters beside each other."""
    failing, ending = hostile
    page.goto("/")
    expect(page.locator("tbody")).to_contain_text(CORPUS["script"])
    check(page)
    page.goto(f"/?view=compare&id={failing}&id={ending}")
    expect(page.get_by_text("Only what differs")).to_be_visible()
    check(page)


def test_addresses_are_text(page, expected):
    """The words of a link are shown, if at all, as text; nothing of it is opened."""
    expected.add("404 (Not Found)")
    for view in ("job&id=", "program&id=", "backend&name=", "compare&id=", ""):
        page.goto(f"/?view={view}%3Cimg%20src%3Dx%20onerror%3Dhit%3D1%3E..%2F..%2Flogin")
        page.get_by_role("heading", level=1).or_(page.get_by_role("alert")).first.wait_for()
        check(page)


def test_uploaded_program_is_text(page, server):
    """Name, description and schema of a program are its author's."""
    name, text = "evil <b>", CORPUS["attribute"]
    schema = {
        "type": "object",
        "properties": {
            text: {"type": "string", "description": CORPUS["bidi"], "enum": [CORPUS["script"]]},
            "__proto__": {"type": "number", "default": CORPUS["svg"]},
            "odd": True,
        },
    }
    body = {"name": name, "data": "ZGVmIG1haW4oKmEsICoqayk6IHBhc3M=", "description": CORPUS["link"]}
    answer = server.http.post("/programs", json=body | {"spec": {"parameters": schema}})
    assert answer.status_code == 200, answer.text
    page.goto("/?view=programs")
    expect(page.locator("tbody")).to_contain_text(CORPUS["link"])
    check(page)
    page.get_by_role("link", name=name, exact=True).click()
    expect(page.locator("form")).to_contain_text(text)
    check(page)
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("heading", name="Job of").wait_for()
