"""Parameters against JSON Schemas, which may be hostile: they are uploaded by anybody."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qiskit_runtime.contract.schemas.linear_schema import MAX_LINEAR_NODES
from qiskit_runtime.contract.schemas.params_schema import (
    MAX_SCHEMA_BYTES,
    QUICK_BYTES,
    SchemaInvalid,
    check_schema,
    find_errors,
    find_first_error,
    is_linear,
    is_quick,
    matches,
)


def validate(schema, params):
    """The best answer; the others only tell less, and the quick one tells the same."""
    answers = list(find_errors(schema, params))
    assert len({bool(errors) for errors in answers}) == 1
    if is_quick(schema, json.dumps(params)):
        assert matches(schema, params) == (answers[-1] == [])
        assert bool(find_first_error(schema, params)) == bool(answers[-1])
    return answers[-1]


VQE = {
    "$schema": "https://json-schema.org/draft/2019-09/schema",
    "type": "object",
    "properties": {
        "optimizer": {
            "type": "object",
            "properties": {"maxiter": {"type": "integer", "minimum": 1}},
        },
        "layout": {"type": "array", "items": {"$ref": "#/$defs/qubit"}},
    },
    "required": ["optimizer"],
    "additionalProperties": False,
    "$defs": {"qubit": {"type": "integer"}},
}


@pytest.mark.parametrize(
    ("params", "place", "text"),
    [
        (
            {"optimizer": {"maxiter": -3}},
            ("optimizer", "maxiter"),
            "params.optimizer.maxiter: -3 is less than the minimum of 1",
        ),
        ({"optimizer": {}, "layout": [0, "x"]}, ("layout", 1), "params.layout[1]: "),
        ({}, (), 'params: "optimizer" is a required property'),
        ({"optimizer": {}, "shots": 1}, (), "'shots' was unexpected"),
        ([], (), 'params: [] is not of type "object"'),
    ],
)
def test_error_says_where_and_what(params, place, text):
    """The path leads to the value; the words are for people."""
    errors = validate(VQE, params)

    assert errors[0].place == place
    assert text in str(errors[0])


def test_params_that_match_have_no_errors():
    """Parameters that the schema allows are allowed; an empty one allows anything."""
    assert validate(VQE, {"optimizer": {"maxiter": 1}, "layout": [1, 2]}) == []
    assert validate({}, {"anything": float("nan")}) == []
    assert validate({}, {"anything": 1}) == []


def test_several_errors_are_told_at_once_but_not_all():
    """A person mends them in one go; a thousand are nobody's reading."""
    errors = validate(VQE, {"optimizer": {}, "layout": ["x"] * 1000})

    assert 1 < len(errors) < 10


def test_error_does_not_repeat_megabytes():
    """A value, a key and a path of any size make a short error."""
    long = "x" * 1_000_000
    schema = {"properties": {"a": {"enum": [1]}}, "patternProperties": {"^x": {"type": "string"}}}
    for params in ({"a": long}, {long: 3}, {"a": [long]}):
        [error] = validate(schema, params)
        assert len(str(error)) < 1000
        assert all(len(str(step)) <= 100 for step in error.place)


def test_half_a_character_in_a_text_is_an_error():
    """JSON can escape it; no checker could read it."""
    [error] = validate({"properties": {"a": {"pattern": "b"}}}, {"a": "\ud800"})

    assert "Unicode" in error.message


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"type": "objet"}, "objet"),
        ({"properties": {"a": {"minimum": "x"}}}, "properties.a.minimum"),
        ({"properties": {"a": {"pattern": "("}}}, "regex"),
        ({"pattern": "(?=a)b"}, "linear time"),
        ({"pattern": "(a)\\1"}, "linear time"),
        ({"pattern": "(a{1000}){1000}{1000}"}, "regex"),
        ({"$ref": "http://example.com/schema.json"}, "within"),
        ({"$ref": "file:///etc/passwd"}, "within"),
        ({"$ref": "other.json"}, "within"),
        ({"$ref": "#/$defs/nope"}, "nothing"),
        ({"$ref": "#name", "$defs": {"a": {"$anchor": "name"}}}, "within"),
        ({"$dynamicRef": "#a"}, "$dynamicRef"),
        ({"properties": {"a": {"$ref": "#"}}}, "circle"),
        ({"$schema": "http://example.com/mine"}, "example.com"),
        ({"description": "x" * MAX_SCHEMA_BYTES}, str(MAX_SCHEMA_BYTES)),
    ],
)
def test_schema_that_can_not_be_used_is_refused(schema, says):
    """Broken, reaching out, in circles or too large: the error has the reason, and is short."""
    with pytest.raises(SchemaInvalid) as refused:
        check_schema(schema)

    assert says in str(refused.value)
    assert len(str(refused.value)) < 500


def test_references_to_large_objects_are_counted_with_all_that_they_copy():
    """An object of five thousand numbers, two thousand times, would be a gigabyte."""
    defs = {f"a{i}": {"allOf": [{"$ref": f"#/$defs/a{i + 1}"}] * 2} for i in range(11)}
    wide = {f"x{i}": 1 for i in range(5000)}
    begin = time.monotonic()
    with pytest.raises(SchemaInvalid, match="nodes"):
        check_schema({"$defs": {**defs, "a11": wide}, "$ref": "#/$defs/a0"})

    assert time.monotonic() - begin < 1


def test_references_that_multiply_are_refused_at_once():
    """Forty levels of two references each would be a trillion checks of one value."""
    defs = {f"a{i}": {"allOf": [{"$ref": f"#/$defs/a{i + 1}"}] * 2} for i in range(40)}
    begin = time.monotonic()
    with pytest.raises(SchemaInvalid, match="nodes"):
        check_schema({"$defs": {**defs, "a40": {}}, "$ref": "#/$defs/a0"})

    assert time.monotonic() - begin < 1


@pytest.mark.parametrize("pattern", ["^(a+)+$", "(x+x+)+y", "(a|a)*b"])
def test_pattern_takes_linear_time(pattern):
    """A pattern that would take a backtracking engine for ever takes a moment."""
    schema = {"properties": {"a": {"type": "string", "pattern": pattern}}}
    begin = time.monotonic()
    validate(schema, {"a": "a" * 2_000_000 + "!"})

    assert time.monotonic() - begin < 5


def test_every_program_of_the_library_has_a_schema_that_can_be_used():
    """Jobs are checked by the schemas of the library's metadata."""
    from qiskit_runtime.contract.catalog import Catalog

    for program in Catalog().all():
        if program.metadata.spec.parameters:
            check_schema(program.metadata.spec.parameters)
            assert is_linear(program.metadata.spec.parameters)


def make_doubling(reference, *, levels=40, **root):
    """A schema in which each level has two references to the next: 2^levels nodes in all."""
    nodes = {
        f"n{i}": {"allOf": [{"$ref": reference(i + 1)}] * 2} if i < levels - 1 else {}
        for i in range(levels)
    }
    return {**root, "$defs": nodes, "allOf": [{"$ref": reference(0)}]}


DISGUISES = {
    "plainly": make_doubling(lambda i: f"#/$defs/n{i}"),
    "percent, with a decoy": {
        "$defs": {
            name: node
            for i in range(40)
            for name, node in (
                (f"a%62{i}", {}),
                (f"ab{i}", {"allOf": [{"$ref": f"#/$defs/a%62{i + 1}"}] * 2} if i < 39 else {}),
            )
        },
        "$ref": "#/$defs/a%620",
    },
    "another root by id": {
        "$defs": {"n0": {}},
        "properties": {
            "x": {
                "$schema": "http://json-schema.org/draft-04/schema#",
                "id": "http://here/",
                "definitions": make_doubling(lambda i: f"#/definitions/n{i}")["$defs"],
                "$ref": "#/definitions/n0",
            }
        },
    },
    "by an anchor": make_doubling(lambda i: f"#n{i}"),
}


@pytest.mark.parametrize("disguise", DISGUISES)
def test_references_that_multiply_are_refused_in_any_disguise(disguise):
    """No schema makes a check that does not end: the library is given no reference at all."""
    with pytest.raises(SchemaInvalid):
        check_schema(DISGUISES[disguise])


def test_reference_is_followed_with_what_stands_beside_it():
    """A reference and its neighbours both count, as in today's drafts."""
    schema = {
        "$defs": {"size": {"type": "integer", "minimum": 1}},
        "properties": {"n": {"$ref": "#/$defs/size", "maximum": 3}},
    }
    assert not validate(schema, {"n": 3})
    for wrong in (0, 4, "x"):
        (error,) = validate(schema, {"n": wrong})
        assert str(error).startswith("params.n: ")


def test_many_or_large_patterns_are_refused():
    """Patterns take memory when they are compiled: each has a bound, and so has their number."""
    with pytest.raises(SchemaInvalid, match="patterns"):
        check_schema({"allOf": [{"pattern": f"^a{i}$"} for i in range(101)]})
    with pytest.raises(SchemaInvalid):
        check_schema({"pattern": "[a-z]{12000}i"})
    check_schema({"pattern": r"^[0-9a-f]{64}$"})


def test_seed_may_be_given_to_any_program():
    """The seed of a job's status is taken though the schema names no such parameter."""
    schema = {"properties": {"x": {}}, "additionalProperties": False}
    assert not validate(schema, {"x": 1, "seed_simulator": 7})
    assert validate(schema, {"x": 1, "seed_simulator": "7"})
    own = {"properties": {"seed_simulator": {"maximum": 5}}}
    assert validate(own, {"seed_simulator": 7})


def _nest(levels, make, inner):
    for _ in range(levels):
        inner = make(inner)
    return inner


DOUBLING = {f"d{i + 1}": {"anyOf": [{"$ref": f"#/$defs/d{i}"}, {}]} for i in range(32)}
NOT_LINEAR = {
    "anyOf and unevaluatedProperties": {"$ref": "#/$defs/d3", "$defs": {"d0": {}, **DOUBLING}},
    "unevaluatedProperties": {"unevaluatedProperties": False},
    "unevaluatedItems": {"unevaluatedItems": False},
    "multipleOf": {"multipleOf": 1e-300},
    "uniqueItems": {"uniqueItems": True},
    "contains": {"contains": {"type": "integer"}},
    "pattern": {"pattern": "a"},
    "patternProperties": {"patternProperties": {"a": {}}},
    "format": {"format": "email"},
    "oneOf": {"oneOf": [{}, {}]},
    "not": {"not": {}},
    "if": {"if": {}, "then": {}, "else": {}},
    "dependentSchemas": {"dependentSchemas": {"a": {}}},
    "dependencies": {"dependencies": {"a": {}}},
    "deep const": {"const": _nest(15, lambda inner: [inner], 1)},
    "enum of objects": {"enum": [{}]},
    "a large number": {"minimum": 10**400},
    "an infinite number": {"maximum": float("inf")},
    "too many nodes": {"enum": list(range(MAX_LINEAR_NODES))},
    "a keyword that nobody knows": {"soon": {"multipleOf": 1e-300}},
}


@pytest.mark.parametrize("where", ["root", "properties", "items", "allOf", "$ref"])
@pytest.mark.parametrize("kind", NOT_LINEAR)
def test_schema_of_any_other_keyword_is_not_linear(kind, where):
    """A keyword outside the list is checked where it can be stopped, wherever it stands."""
    inner = NOT_LINEAR[kind]
    defs = inner.get("$defs", {})
    schema = {
        "root": inner,
        "properties": {"properties": {"a": inner}, "$defs": defs},
        "items": {"properties": {"a": {"items": inner}}, "$defs": defs},
        "allOf": {"allOf": [{}, inner], "$defs": defs},
        "$ref": {"properties": {"a": {"$ref": "#/$defs/x"}}, "$defs": {**defs, "x": inner}},
    }[where]

    assert not is_linear(schema)


def test_dialect_of_its_own_is_not_linear():
    """Another dialect may mean anything by the same keywords."""
    assert not is_linear({"$schema": "http://example.com/mine", "type": "object"})
    assert is_linear({"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"})


def test_annotations_and_references_do_not_matter():
    """Descriptions are left out, and a reference is replaced by its target."""
    assert is_linear(VQE)
    assert is_linear({"title": "x", "examples": [{"multipleOf": 3}], "default": {"a": [1]}})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**40), 10**40) | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=8,
)
bounds = st.integers(-9, 9) | st.floats(-1e9, 1e9)
sizes = st.integers(0, 9)
TYPES = ["object", "array", "string", "integer", "number", "boolean", "null"]
keywords = {
    "type": st.sampled_from(TYPES) | st.lists(st.sampled_from(TYPES), min_size=1, unique=True),
    "enum": st.lists(st.text(max_size=3) | st.integers(-9, 9), min_size=1, unique=True),
    "const": json_values,
    "required": st.lists(st.sampled_from("abc"), unique=True),
    "minimum": bounds,
    "exclusiveMaximum": bounds,
    **dict.fromkeys(["maxLength", "minItems", "maxProperties"], sizes),
    "uniqueItems": st.booleans(),
    "multipleOf": st.sampled_from([3, 0.1, 1e-300]),
    "pattern": st.sampled_from(["^a", "b+$"]),
    "format": st.sampled_from(["email", "date-time"]),
    "unevaluatedProperties": st.booleans(),
}


def _add_schemas(inner):
    named = st.dictionaries(st.sampled_from("abc"), inner, min_size=1, max_size=3)
    several = st.lists(inner, min_size=1, max_size=6)
    one = {**keywords, "properties": named, "patternProperties": named, "items": inner}
    one |= {"additionalProperties": inner, "contains": inner, "not": inner, "propertyNames": inner}
    one |= dict.fromkeys(["allOf", "anyOf", "oneOf", "prefixItems"], several)
    return st.fixed_dictionaries({}, optional=one)


schemas = st.recursive(st.fixed_dictionaries({}, optional=keywords), _add_schemas, max_leaves=12)


def _widen(value, times):
    """Parameters as large as may be checked at once, and of the same kind."""
    text = json.dumps({"a": [value] * times})
    return json.loads(text) if len(text) <= QUICK_BYTES else {"a": value}


@settings(max_examples=60, deadline=None)
@given(schema=schemas, value=json_values, times=st.sampled_from([1, 100, 20_000]))
def test_no_schema_makes_a_check_hold_its_thread(schema, value, times):
    """Whatever is asked where others wait is answered in a tenth of a second of this thread."""
    schema = {"properties": {"a": schema, "b": {"items": schema}}, "additionalProperties": schema}
    params = _widen(value, times)
    text = json.dumps(params)
    begin = time.thread_time()
    try:
        if is_quick(schema, text):
            matches(schema, params)
            find_first_error(schema, params)
    except SchemaInvalid:
        pass

    assert time.thread_time() - begin < 0.1


WORST = {
    "numbers in bounds": ({"minimum": -1, "maximum": 9, "type": "integer"}, 0),
    "bounds over bounds": ({"allOf": [{"minimum": -i} for i in range(60)]}, 0),
    "integers of 299 digits": ({"allOf": [{"minimum": -i} for i in range(60)]}, 10**298),
    "an enum's last": ({"enum": [*map(str, range(90)), 0]}, 0),
    "an enum of like texts": ({"enum": ["x" * 200 + str(i) for i in range(90)]}, "x" * 202),
    "empty objects": ({"properties": {f"p{i}": {} for i in range(90)}}, {}),
    "empty lists": ({"items": {"items": {}}}, []),
    "floats": ({"minimum": -1.5, "maximum": 9.5}, 1e300),
    "texts": ({"minLength": 1, "maxLength": 9}, "é"),
    "unexpected names": ({"additionalProperties": False}, {f"n{i}": 0 for i in range(4000)}),
}


@pytest.mark.parametrize("kind", WORST)
def test_worst_cases_of_the_list_take_a_few_milliseconds(kind):
    """The list and its bound keep their word on the largest parameters that they let through."""
    schema, value = WORST[kind]
    schema = {"properties": {"a": {"items": schema}}}
    times = QUICK_BYTES // len(json.dumps(value)) + 1
    while not is_quick(schema, text := json.dumps({"a": [value] * times}, separators=(",", ":"))):
        times = times * 9 // 10
    params = json.loads(text)
    begin = time.thread_time()
    matches(schema, params)
    find_first_error(schema, params)

    assert time.thread_time() - begin < 0.1


def test_number_of_hundreds_of_digits_is_not_for_where_others_wait():
    """Arithmetic of long numbers is quadratic: a comparison of 4,000 digits takes a millisecond."""
    schema = {"properties": {"a": {"minimum": 1}}}
    assert not is_quick(schema, json.dumps({"a": 10**4000}))
    assert is_quick(schema, json.dumps({"a": 10**200}))
