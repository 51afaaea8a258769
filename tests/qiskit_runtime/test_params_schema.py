"""Parameters against JSON Schemas, which may be hostile: they are uploaded by anybody."""

import json
import time

import pytest

from qiskit_runtime.params_schema import (
    MAX_SCHEMA_BYTES,
    SchemaInvalid,
    check_schema,
)
from qiskit_runtime.params_schema import validate as validate_sized


def validate(schema, params):
    return validate_sized(schema, params, len(json.dumps(params)))


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
    """What a schema allows is allowed; an empty one allows anything."""
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
    """Broken, reaching out, going in circles or too large: the reason is said, and short."""
    with pytest.raises(SchemaInvalid) as refused:
        check_schema(schema)

    assert says in str(refused.value)
    assert len(str(refused.value)) < 500


def test_references_that_multiply_are_refused_at_once():
    """Forty levels of two references each would be a trillion checks of one value."""
    defs = {f"a{i}": {"allOf": [{"$ref": f"#/$defs/a{i + 1}"}] * 2} for i in range(40)}
    begin = time.monotonic()
    with pytest.raises(SchemaInvalid, match="nodes"):
        check_schema({"$defs": {**defs, "a40": {}}, "$ref": "#/$defs/a0"})

    assert time.monotonic() - begin < 1


@pytest.mark.parametrize("pattern", ["^(a+)+$", "(x+x+)+y", "(a|a)*b"])
def test_pattern_takes_linear_time(pattern):
    """What would take a backtracking engine for ever takes a moment."""
    schema = {"properties": {"a": {"type": "string", "pattern": pattern}}}
    begin = time.monotonic()
    validate(schema, {"a": "a" * 2_000_000 + "!"})

    assert time.monotonic() - begin < 5


def test_many_wrong_values_take_no_longer_than_one():
    """Of large parameters the first error is enough."""
    schema = {"properties": {"a": {"items": {"type": "integer"}}}}
    begin = time.monotonic()
    [error] = validate(schema, {"a": ["x"] * 1_000_000})

    assert error.place == ("a", 0)
    assert time.monotonic() - begin < 5


def test_every_program_of_the_library_has_a_schema_that_can_be_used():
    """What the library's metadata says is what jobs are checked by."""
    from qiskit_runtime.catalog import Catalog

    for program in Catalog().all():
        if program.metadata.spec.parameters:
            check_schema(program.metadata.spec.parameters)


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
    assert not validate_sized(schema, {"n": 3}, 10)
    for wrong in (0, 4, "x"):
        (error,) = validate_sized(schema, {"n": wrong}, 10)
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
    assert not validate_sized(schema, {"x": 1, "seed_simulator": 7}, 10)
    assert validate_sized(schema, {"x": 1, "seed_simulator": "7"}, 10)
    own = {"properties": {"seed_simulator": {"maximum": 5}}}
    assert validate_sized(own, {"seed_simulator": 7}, 10)
