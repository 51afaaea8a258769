"""The numbers that the console draws of a message: one table of cases holds it and the client."""

import json

from tests.qiskit_runtime.client.conftest import COLUMN_NAMES

READ = """async cases => {
  const {Series, nameCurves, readNumbers} = await import("/console/series.js");
  return cases.map(({value, schema}) => {
    const series = new Series();
    series.addMessage(5, JSON.stringify(value));
    const curves = series.list(nameCurves(schema)).map(({name, values}) => [name, values[0]]);
    return [readNumbers(value)[0], curves];
  });
}"""


def test_steps_and_curves_are_those_of_the_table(page):
    """Each message's step and curves are those that a table of pandas has columns for."""
    cases = json.loads(COLUMN_NAMES.read_text())
    page.goto("/")
    found = page.evaluate(READ, cases)
    assert dict(zip((case["name"] for case in cases), found, strict=True)) == {
        case["name"]: [case["step"], case["curves"]] for case in cases
    }
