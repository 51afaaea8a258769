"""Bodies whose parameters stay text: they are found as the JSON library finds them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.strict_json import (
    MAX_BODY_VALUES,
    MAX_CONTAINERS,
    StrictJSONError,
    limit_containers,
    limit_values,
    load_body_with_params,
)

TEXTS = st.sampled_from(
    ["", "a", '"', "\\", '\\"', "[", "]}", '{"params":{', "params", ",", "\u2028"]
)
SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | TEXTS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4)
)
CONTAINERS = st.lists(VALUES, max_size=4) | st.dictionaries(TEXTS, VALUES, max_size=4)


@given(before=VALUES, params=CONTAINERS, after=VALUES, indent=st.sampled_from([None, 1]))
def test_parameters_are_cut_out_as_they_are_written(before, params, after, indent):
    """Whatever is around them, and in them, their text is their own; the rest is parsed."""
    body = {"before": before, "params": params, "after": after}
    found = load_body_with_params(json.dumps(body, indent=indent).encode())
    assert json.loads(found.pop("params")) == params
    assert found == {"before": before, "after": after}


def count(value):
    """Return the numbers of values, and of lists and objects, in a value with itself."""
    if not isinstance(value, list | dict):
        return 1, 0
    inner = [count(one) for one in (value.values() if isinstance(value, dict) else value)]
    return 1 + sum(one[0] for one in inner), 1 + sum(one[1] for one in inner)


@given(value=VALUES, indent=st.sampled_from([None, 1]))
def test_values_and_containers_are_counted_exactly(value, indent):
    """As many as there are may be; one less is refused."""
    text = json.dumps(value, indent=indent)
    values, containers = count(value)
    limit_values(text, values)
    limit_containers(text, containers)
    if values > 1:
        with pytest.raises(StrictJSONError, match=f"more than {values - 1} values"):
            limit_values(text, values - 1)
    if containers:
        with pytest.raises(StrictJSONError, match=f"more than {containers - 1} lists"):
            limit_containers(text, containers - 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"params":{"a":"', "Unterminated string"),
        ('{"params":{"a":["', "Unterminated string"),
        ('{"a":1,' + '"b":2,' * (2 * MAX_BODY_VALUES) + '"params":{}}', "values"),
        ('{"params":' + "[" * (MAX_CONTAINERS + 1), "lists and objects"),
        ('{"params":[}]}', "not valid JSON"),
        ('{"params":{}}}', "not valid JSON"),
    ],
)
def test_broken_bodies_are_refused_with_their_reason(text, words):
    """A body that is no JSON, or too much of it, is refused by name."""
    with pytest.raises(StrictJSONError, match=words):
        load_body_with_params(text.encode())
