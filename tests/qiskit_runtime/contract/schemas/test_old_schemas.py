"""Type names of 2021 as JSON Schema has them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qiskit_runtime.contract.resources.old_schemas import MAX_WARNINGS, list_to_schema, translate
from qiskit_runtime.contract.schemas.params_schema import SchemaInvalid, check_schema


@pytest.mark.parametrize(
    ("named", "kind"),
    [
        ("int", "integer"),
        ("Bool", "boolean"),
        ("dictionary", "object"),
        ("Float", "number"),
        ("double", "number"),
        ("str", "string"),
        ("List", "array"),
        ("tuple", "array"),
        ("list[int]", "array"),
        ("List[List[float]]", "array"),
        ("array of floats", "array"),
        ("integers", "integer"),
        ("None", "null"),
        ("int or None", ["integer", "null"]),
        ("Optional[int]", ["integer", "null"]),
        ("typing.Union[int, List[str]]", ["integer", "array"]),
        ("float | str", ["number", "string"]),
        (["int", "float"], ["integer", "number"]),
        (["int", "integer"], "integer"),
    ],
)
def test_plain_names_are_translated(named, kind):
    """A name with a plain meaning becomes JSON's type, and a warning names the place."""
    schema, [warning] = translate({"properties": {"n": {"type": named}}}, "spec.parameters")

    assert schema == {"properties": {"n": {"type": kind}}}
    assert warning == f"spec.parameters.properties.n.type: {named!r} is read as {kind!r}"


@pytest.mark.parametrize(
    "named", ["QuantumCircuit", "numpy.ndarray", "complex", "int or QuantumCircuit", "any", "", []]
)
def test_other_names_take_anything(named):
    """A name that JSON has no type for is left out with a warning, never guessed."""
    schema, warnings = translate({"type": named, "minimum": 1}, "spec.parameters")

    if named == []:
        assert (schema["type"], warnings) == ([], [])  # the check of schemas refuses it
    else:
        assert schema == {"minimum": 1}
        assert "any value is taken" in warnings[0]


@pytest.mark.parametrize("named", ["objet", "Integr", "strng", "bolean"])
def test_misspelt_types_are_refused(named):
    """A misspelt name of JSON's own is the author's mistake of today, and stays one."""
    schema, warnings = translate({"type": named}, "spec.parameters")

    assert (schema, warnings) == ({"type": named}, [])
    with pytest.raises(SchemaInvalid, match=named):
        check_schema(schema)


def test_data_and_names_of_properties_are_not_types():
    """A property called ``type`` stays, and so does what default, enum and const hold."""
    schema = {
        "properties": {"type": {"type": "string"}, "x": {"default": {"type": "int"}}},
        "enum": [{"type": "Bool"}],
        "const": {"type": "dict"},
    }

    assert translate(schema, "p") == (schema, [])


def test_every_place_of_a_schema_is_reached():
    """Items, alternatives, definitions and what is nested in them."""
    inner, plain = {"type": "Bool"}, {"type": "boolean"}
    places = {
        "items": inner, "prefixItems": [inner], "anyOf": [{"allOf": [inner]}], "not": inner,
        "additionalProperties": inner, "$defs": {"a": inner}, "patternProperties": {"^x": inner},
    }  # fmt: skip
    schema, warnings = translate(places, "p")

    assert schema == {
        "items": plain, "prefixItems": [plain], "anyOf": [{"allOf": [plain]}], "not": plain,
        "additionalProperties": plain, "$defs": {"a": plain}, "patternProperties": {"^x": plain},
    }  # fmt: skip
    assert len(warnings) == 7


def test_required_at_a_property_becomes_a_list():
    """The form of the drafts before JSON Schema 4 becomes a list; a list that is there is kept."""
    schema, warnings = translate(
        {
            "properties": {"a": {"required": True}, "b": {"required": False, "type": "string"}},
            "required": ["c"],
        },
        "p",
    )

    assert schema == {"properties": {"a": {}, "b": {"type": "string"}}, "required": ["c", "a"]}
    assert len(warnings) == 2


def test_schemas_of_today_are_left_alone():
    """The same object comes back, without a warning."""
    schema = {"type": "object", "properties": {"n": {"type": ["integer", "null"]}}, "required": []}

    assert translate(schema, "p")[0] is schema


def test_warnings_are_bounded():
    """Hundreds of odd types are twenty lines and a number."""
    _, warnings = translate({"properties": {f"p{n}": {"type": "int"} for n in range(300)}}, "p")

    assert len(warnings) == MAX_WARNINGS + 1
    assert warnings[-1] == "p: and 280 more like these"


def test_deep_schema_is_left_to_the_check():
    """A schema that nests too deeply is no error here."""
    schema = {"type": "int"}
    for _ in range(5000):
        schema = {"items": schema}

    assert translate(schema, "p") == (schema, [])


TYPES = st.sampled_from(["int", "Bool", "dictionary", "QuantumCircuit", "list[int]", "string"])
SCHEMAS = st.recursive(
    st.fixed_dictionaries({"type": TYPES}),
    lambda inner: st.one_of(
        st.fixed_dictionaries({"properties": st.dictionaries(st.text(max_size=5), inner)}),
        st.fixed_dictionaries({"items": inner, "type": st.just("List")}),
        st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=3)}),
    ),
    max_leaves=10,
)


@given(SCHEMAS)
def test_what_is_translated_can_be_used(schema):
    """Any schema with such names is then a schema, and a second translation changes nothing."""
    made, _ = translate(schema, "p")

    check_schema(made)
    assert translate(made, "p") == (made, [])


def test_lists_of_2021_have_odd_types_too():
    """A list of parameters, as 2021 had it, becomes a schema whose types are translated."""
    listed = [{"name": "n", "type": "int", "required": True}, {"name": "f", "type": "Bool"}]
    schema, warnings = translate(list_to_schema(listed), "p")

    assert schema["properties"] == {"n": {"type": "integer"}, "f": {"type": "boolean"}}
    assert schema["required"] == ["n"]
    assert len(warnings) == 2
