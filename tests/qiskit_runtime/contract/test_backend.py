"""Backends as they are described: what is taken, what a mistake says, and the CRDs' parity."""

from pathlib import Path

import pytest
import yaml

from qiskit_runtime.contract.limits import (
    DEFAULT_MAX_EXECUTION_SECONDS,
    MAX_EXECUTION_SECONDS,
    MAX_SOURCE_BYTES,
)
from qiskit_runtime.contract.resources import runtimeprogram
from qiskit_runtime.contract.resources.backend import (
    BACKENDS,
    DEFAULT_BACKEND,
    KIND,
    PLURAL,
    BackendSpec,
    NotARuntimeBackend,
    UnknownBackend,
    find_backend,
    parse_runtimebackend,
)
from qiskit_runtime.contract.resources.program import (
    Program,
    ProgramInterface,
    ProgramMetadata,
    ProgramSource,
)
from qiskit_runtime.contract.resources.resource import API_VERSION, GROUP, VERSION

CRDS = Path(__file__).parents[3] / "k8s" / "crds"
RELAXATION = {"t1Microseconds": 50, "t2Microseconds": 70}
WHOLE = {
    "description": "all of it",
    "method": "density_matrix",
    "qubits": 3,
    "couplingMap": [[0, 1], [1, 2]],
    "basisGates": ["rz", "sx", "cx"],
    "noise": {
        "depolarizing": {"oneQubit": 0.001, "twoQubit": 0.01},
        "readout": {"prob1Given0": 0.01, "prob0Given1": 0.02},
        "relaxation": RELAXATION | {"oneQubitGateNanoseconds": 35, "twoQubitGateNanoseconds": 400},
    },
    "seed": {"policy": "Fixed", "value": 7},
    "resourceClass": "large",
}


def document(spec, name="mine", **fields):
    """A RuntimeBackend."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": name},
        "spec": spec,
    } | fields


def read_crd(plural):
    """A CRD, and the schema of its spec."""
    crd = yaml.safe_load((CRDS / f"{plural}.yaml").read_text())["spec"]
    schema = crd["versions"][0]["schema"]["openAPIV3Schema"]
    return crd, schema["properties"]["spec"]


def test_whole_backend_is_read():
    """Every field of the resource has its place, and comes back by the resource's names."""
    backend = parse_runtimebackend(document(WHOLE))
    assert backend.name == "mine" and backend.noise.relaxation.t2_microseconds == 70
    told = backend.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"name"})
    assert told == WHOLE


@pytest.mark.parametrize(
    "spec", [{}, None, {"noise": {}}, {"seed": {}}, {"noise": {"readout": {}}}]
)
def test_everything_is_optional(spec):
    """A backend of nothing but its name is Aer as it is."""
    backend = parse_runtimebackend(document(spec))
    assert (backend.method, backend.qubits, backend.fake_device) == ("automatic", None, None)


MISTAKES = {
    "spec.qubits: ": {"qubits": 0},
    "spec.qubits:": {"qubits": "many"},
    "spec.method: ": {"method": "magic"},
    "spec.qbits: ": {"qbits": 3},
    "spec.basisGates: ": {"basisGates": []},
    "spec.basisGates.1: ": {"basisGates": ["cx", "CX"]},
    "spec: basisGates: if_else is no gate and there already": {"basisGates": ["cx", "if_else"]},
    "spec.couplingMap.1.0: ": {"qubits": 3, "couplingMap": [[0, 1], ["a", 1]]},
    "spec.couplingMap.0.1: ": {"qubits": 3, "couplingMap": [[0]]},
    "spec: couplingMap: it needs qubits": {"couplingMap": [[0, 1]]},
    "spec: couplingMap: it names qubit 3, and 3 are": {"qubits": 3, "couplingMap": [[0, 3]]},
    "spec: fakeDevice: ": {"fakeDevice": "FakeMontrealV2", "basisGates": ["cx"]},
    "spec.fakeDevice: ": {"fakeDevice": "os.system"},
    "spec.noise.readout.prob1Given0: ": {"noise": {"readout": {"prob1Given0": 1.5}}},
    "spec.noise.depolarizing.oneQubit: ": {"noise": {"depolarizing": {"oneQubit": -0.1}}},
    "spec.noise.depolarizing.oneQubit:": {"noise": {"depolarizing": {"oneQubit": float("nan")}}},
    "spec.noise.relaxation.t2Microseconds: ": {"noise": {"relaxation": {"t1Microseconds": 5}}},
    "spec.noise.relaxation: t2Microseconds: it is at most twice": {
        "noise": {"relaxation": {"t1Microseconds": 5, "t2Microseconds": 11}}
    },
    "spec.noise.relaxation.t1Microseconds: ": {
        "noise": {"relaxation": RELAXATION | {"t1Microseconds": 0}}
    },
    "spec.noise.thermal: ": {"noise": {"thermal": {}}},
    "spec.seed: value: it goes with the policy Fixed": {"seed": {"policy": "Fixed"}},
    "spec.seed: value:": {"seed": {"value": 3}},
    "spec.seed.value: ": {"seed": {"policy": "Fixed", "value": 2**53}},
    "spec.seed.policy: ": {"seed": {"policy": "Random"}},
    "spec.resourceClass: ": {"resourceClass": "Large"},
    "spec.resourceClass:": {"resourceClass": "l" * 41},
}


@pytest.mark.parametrize("beginning", MISTAKES)
def test_mistake_names_its_field(beginning):
    """The text begins with the field's path, as the resource spells it."""
    with pytest.raises(NotARuntimeBackend) as caught:
        parse_runtimebackend(document(MISTAKES[beginning]))
    assert str(caught.value).startswith(beginning)
    assert "Value error" not in str(caught.value)


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (document({}, kind="RuntimeJob"), "kind: RuntimeBackend of "),
        (document({}, apiVersion="v1"), "kind: RuntimeBackend of "),
        (document({}, name="Upper_Case"), "metadata.name: at most 40"),
        (document({}, name="x" * 41), "metadata.name: at most 40"),
        (document({}, name=5), "metadata.name: at most 40"),
        ({"kind": KIND}, "it is no RuntimeBackend: KeyError('apiVersion')"),
        (document({}, metadata=None), "it is no RuntimeBackend: "),
        (document([1]), "it is no RuntimeBackend: "),
        (document("text"), "it is no RuntimeBackend: "),
        (None, "it is no RuntimeBackend: "),
        ("text", "it is no RuntimeBackend: "),
        ([document({})], "it is no RuntimeBackend: "),
    ],
)
def test_document_of_another_kind_is_none(manifest, words):
    """Whatever YAML can hold is either a backend or a NotARuntimeBackend that says why."""
    with pytest.raises(NotARuntimeBackend) as caught:
        parse_runtimebackend(manifest)
    assert str(caught.value).startswith(words)


def test_backends_that_are_always_there_are_found_by_name():
    """The default one among them; another name is unknown."""
    assert [find_backend(backend.name) for backend in BACKENDS] == list(BACKENDS)
    assert find_backend(DEFAULT_BACKEND).method == "automatic"
    with pytest.raises(UnknownBackend, match="nowhere"):
        find_backend("nowhere")


# The CRDs are written by hand: held against the models here.

LIMITS = ("minimum", "maximum", "minItems", "maxItems", "maxLength", "pattern")


def resolve(schema, definitions):
    """A field's own schema: references followed, and null left out."""
    if "$ref" in schema:
        return definitions[schema["$ref"].rpartition("/")[2]]
    options = [inner for inner in schema.get("anyOf", ()) if inner.get("type") != "null"]
    return resolve(options[0], definitions) if options else schema


def compare(crd, model, definitions, path="spec"):
    """Every way in which two schemas differ, as text."""
    ours, theirs = model.get("properties", {}), crd.get("properties", {})
    yield from (f"{path}.{name}: only one has it" for name in ours.keys() ^ theirs.keys())
    for name in ours.keys() & theirs.keys():
        field = {"default": ours[name].get("default")} | resolve(ours[name], definitions)
        yield from compare(theirs[name], field, definitions, f"{path}.{name}")
    for key in ("type", "enum", "default"):
        if crd.get(key) != model.get(key):
            yield f"{path}: {key}"
    if sorted(crd.get("required", ())) != sorted(model.get("required", ())):
        yield f"{path}: required"
    yield from (f"{path}: {key}" for key in LIMITS if key in model and crd.get(key) != model[key])
    if items := model.get("items") or next(iter(model.get("prefixItems", ())), None):
        yield from compare(crd["items"], resolve(items, definitions), definitions, f"{path}[]")


def normalise(schema):
    """JSON Schema's exclusive limits as OpenAPI 3.0 spells them, those of integers as inclusive."""
    if isinstance(schema, list):
        return [normalise(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: normalise(inner) for key, inner in schema.items()}
    whole = schema.get("type") == "integer"
    if isinstance(limit := schema.pop("exclusiveMaximum", None), int | float):
        schema["maximum"] = limit - whole
    if isinstance(limit := schema.pop("exclusiveMinimum", None), int | float):
        schema["minimum"] = limit + whole
    return schema


def test_crd_of_backends_is_the_model():
    """The same fields everywhere, with the same types, defaults and limits."""
    crd, spec = read_crd(PLURAL)
    assert (crd["group"], crd["versions"][0]["name"]) == (GROUP, VERSION)
    assert crd["names"]["kind"] == KIND
    model = normalise(BackendSpec.model_json_schema(by_alias=True))
    model["properties"].pop("name")
    model["required"].remove("name")
    assert set(compare(spec, model, model["$defs"])) == set()


def test_comparison_finds_what_differs():
    """The comparison of the test before is no empty promise."""
    _, spec = read_crd(PLURAL)
    model = normalise(BackendSpec.model_json_schema(by_alias=True))
    model["properties"].pop("name")
    noise = spec["properties"]["noise"]["properties"]
    noise["depolarizing"]["properties"]["oneQubit"]["default"] = 0.5
    noise["relaxation"]["required"].pop()
    noise["more"] = noise.pop("readout")
    spec["properties"]["couplingMap"]["items"]["items"]["maximum"] = 7
    assert set(compare(spec, model, model["$defs"])) == {
        "spec: required",
        "spec.noise.depolarizing.oneQubit: default",
        "spec.noise.relaxation: required",
        "spec.noise.more: only one has it",
        "spec.noise.readout: only one has it",
        "spec.couplingMap[][]: maximum",
    }


def test_crd_of_backends_has_its_sentences():
    """`kubectl explain` helps everywhere."""

    def silent(schema, path):
        for name, field in schema.get("properties", {}).items():
            if not field.get("description"):
                yield f"{path}.{name}"
            yield from silent(field, f"{path}.{name}")

    assert [*silent(read_crd(PLURAL)[1], ""), *silent(read_crd(runtimeprogram.PLURAL)[1], "")] == []


def test_crd_of_programs_is_what_the_contract_writes_and_reads():
    """A program with everything fills every field, comes back the same, and the limits are ours."""
    crd, spec = read_crd(runtimeprogram.PLURAL)
    assert crd["names"]["kind"] == runtimeprogram.KIND
    schema = {"type": "object"}
    interface = ProgramInterface(**dict.fromkeys(ProgramInterface.model_fields, schema))
    metadata = ProgramMetadata(
        name="Mine", description="d", version="3", max_execution_time=9, cost=9, spec=interface
    )
    written = set()
    for data in (b"def main(b, m): pass\n", b"\x1f\x8b\x08archive"):
        source = ProgramSource(data)
        manifest = runtimeprogram.build_runtimeprogram(
            Program(id="mine", metadata=metadata), source
        )
        manifest["metadata"]["creationTimestamp"] = "2026-11-23T12:00:00Z"
        assert runtimeprogram.parse_source(manifest) == source
        assert runtimeprogram.parse_runtimeprogram(manifest).metadata == metadata
        written |= manifest["spec"].keys()
    fields = spec["properties"]
    assert written == fields.keys()
    assert fields["source"]["maxLength"] == MAX_SOURCE_BYTES
    assert fields["archive"]["maxLength"] == (MAX_SOURCE_BYTES + 2) // 3 * 4
    limits = fields["maxExecutionSeconds"]
    assert (limits["default"], limits["maximum"]) == (
        DEFAULT_MAX_EXECUTION_SECONDS,
        MAX_EXECUTION_SECONDS,
    )
    assert set(fields["visibility"]["enum"]) == {"public", "private"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"maxExecutionSeconds": 0}, "max_execution_time"),
        ({"parameters": [1]}, "parameters"),
        ({"version": 5}, "version"),
    ],
)
def test_program_that_the_crd_would_refuse_is_none(change, words):
    """The error for a manifest that an older CRD admitted names the field."""
    manifest = {
        "metadata": {"name": "mine", "creationTimestamp": "2026-11-23T12:00:00Z"},
        "spec": {"source": "x"} | change,
    }
    with pytest.raises(runtimeprogram.NotARuntimeProgram, match=words):
        runtimeprogram.parse_runtimeprogram(manifest)


@pytest.mark.parametrize("spec", [{}, {"archive": "no base64!"}, {"source": ""}, {"source": 5}])
def test_program_without_a_source_that_runs_is_none(spec):
    """The error for a RuntimeProgram without a usable source names the source."""
    with pytest.raises(runtimeprogram.NotARuntimeProgram, match="source"):
        runtimeprogram.parse_source({"spec": spec})
