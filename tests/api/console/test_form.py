"""The form of a program's parameters posts what it is filled with."""

import base64
import json

import pytest
from playwright.sync_api import expect

OBJECT = {"type": "object", "properties": {"a": {"type": "number"}, "c": {"type": "string"}}}
SCHEMA = {
    "type": "object",
    "properties": {
        "terms": {"type": "array", "items": OBJECT},
        "opts": OBJECT,
        "deep": {"type": "object", "properties": {"opts": OBJECT}},
        "name": {"type": ["string", "null"]},
        "flag": {"type": ["boolean", "null"]},
        "way": {"enum": ["up", None, 2]},
        "opts.a": {"type": "number"},
        "opts/a": {"type": "number"},
        "opts~": {"type": "object", "properties": {"/a": {"type": "number"}}},
        "opts~/": {"type": "object", "properties": {"a": {"type": "number"}}},
        "terms[1].a": {"type": "number"},
        "terms/1/a": {"type": "number"},
        "instance": {"type": "string"},
    },
}

GIVEN = [
    {},
    {"terms": []},
    {"terms": [{}]},
    {"terms": [{"a": 1}, {}]},
    {"opts": {}},
    {"deep": {"opts": {}}},
    {"deep": {}},
    {"name": None, "flag": None, "way": None},
    {"name": "", "opts": {"c": ""}},
    {"name": "  ", "opts": {"c": " two\nlines "}},
    {"name": "null", "flag": False, "way": "down"},
    {"name": 5, "flag": "yes", "way": 2},
    {"opts": {"a": 1}, "opts.a": 2, "opts/a": 3},
    {"opts~": {"/a": 1}, "opts~/": {"a": 2}},
    {"terms": [{"a": 1}], "terms[1].a": 2, "terms/1/a": 3},
    {"opts": {"more.x": 1, "more": {"x": 2}}},
]

PASS = """
async ([schema, texts]) => {
  const {joinParams, listFields, splitParams} = await import("/console/fields.js");
  const {fillField, readDeep} = await import("/console/nested-fields.js");
  return texts.map(text => {
    const [fields, values, errors] = [listFields(schema), new Map(), new Map()];
    const given = splitParams(text);
    for (const field of fields)
      if (given.has(field.name)) fillField(values, field, given.get(field.name));
    const read = joinParams(fields.map(field => [field.name, readDeep(values, field, errors)]));
    return errors.size ? [...errors.values()].join() : read;
  });
}
"""
"""Put parameters into a form's fields and read them again."""


def test_what_a_form_is_filled_with_is_what_it_posts(page):
    """Empty objects, lists and texts, nulls, and what no field can show stay as they are."""
    page.goto("/")
    read = page.evaluate(PASS, [SCHEMA, [json.dumps(one) for one in GIVEN]])
    assert list(map(json.loads, read)) == GIVEN


@pytest.fixture(scope="module")
def program(server):
    """The id of a program of the schema that gives back what it was given."""
    body = {
        "name": "gives-back",
        "data": base64.b64encode(
            b"def main(backend, messenger, **all):\n    return all\n"
        ).decode(),
        "spec": {"parameters": SCHEMA},
    }
    return server.http.post("/programs", json=body).raise_for_status().json()["id"]


def test_job_that_runs_again_edited_has_what_nobody_changed(page, server, program):
    """An empty list and an empty object are posted again, beside what was edited."""
    given = {"terms": [], "opts": {}, "deep": {"opts": {}}, "name": "first"}
    job_id = server.run(program, params=json.dumps(given))
    server.wait(job_id)
    page.goto(f"/?view=job&id={job_id}")
    page.get_by_role("link", name="Run again, edited").click()
    page.get_by_label("name").fill("second")
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("heading", name="Job of").wait_for()
    second = page.url.rpartition("id=")[2]
    server.wait(second)
    assert json.loads(server.text(second, "results")) == given | {"name": "second"}


def test_text_of_a_group_has_what_was_wrong_in_it(page, program):
    """The text of all fields has what is no JSON in one, which is said there, and can be mended."""
    page.goto(f"/?view=program&id={program}")
    opts = page.get_by_role("group", name="opts", exact=True).first
    opts.get_by_label("a", exact=True).fill("1.5.")
    opts.get_by_label("c", exact=True).fill("kept")
    page.get_by_role("button", name="Write it as JSON opts", exact=True).first.click()
    text = page.get_by_label("opts", exact=True)
    assert text.input_value() == '{"a": 1.5., "c": "kept"}'
    page.get_by_role("button", name="Run", exact=True).click()
    expect(text).to_be_focused()
    expect(page.get_by_text("This is no JSON.")).to_have_count(1)
    text.fill('{"a": 1.5, "c": "kept"}')
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("heading", name="Job of")).to_be_visible()


def test_fields_have_labels_whatever_their_names(page, server, program):
    """Half a surrogate in a name, and names that are one but for their dots, are told apart."""
    answer = server.http.get(f"/programs/{program}").json()
    names = ["\ud83d", "a.b", "a b", '"']
    answer["spec"]["parameters"] = {"properties": {name: {"type": "string"} for name in names}}
    page.route(
        f"**/programs/{program}",
        lambda route: route.fulfill(body=json.dumps(answer), content_type="application/json"),
    )
    page.goto(f"/?view=program&id={program}")
    for shown in ("⟨U+D83D⟩", "a.b", "a b", '"'):
        page.get_by_label(shown, exact=True).fill(f"of {shown}")
    values = [one.input_value() for one in page.locator("form .field input").all()]
    assert values[:4] == ["of ⟨U+D83D⟩", "of a.b", "of a b", 'of "']
    ids = [one.get_attribute("id") for one in page.locator("form .field input").all()]
    assert len(set(ids)) == len(ids)
