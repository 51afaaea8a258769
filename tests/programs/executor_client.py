"""The official client's side of the program executor: what it posts, and its chain of decoders."""

import json
from unittest import mock

from qiskit_ibm_runtime.decoders.defaults import DEFAULT_DECODERS
from qiskit_ibm_runtime.executor import executor
from qiskit_ibm_runtime.fake_provider.local_service import QiskitRuntimeLocalService
from qiskit_ibm_runtime.json import RuntimeEncoder
from qiskit_ibm_runtime.options_models import ExecutorOptions
from qiskit_ibm_runtime.quantum_program.params_converters import QUANTUM_PROGRAM_PARAMS_CONVERTERS

VERSIONS = tuple(QUANTUM_PROGRAM_PARAMS_CONVERTERS)


def encode(program, version="v2.0", **execution):
    """The text of the parameters that Executor sends for a program in this version's form."""
    return encode_with(program, ExecutorOptions(execution=execution), version)


def encode_with(program, options, version="v2.0"):
    """The same with all options of Executor."""
    model = QUANTUM_PROGRAM_PARAMS_CONVERTERS[version].encoder(program, options)
    return json.dumps(model.model_dump(mode="json"), cls=RuntimeEncoder)


def post_by(run):
    """The text of the parameters that a client-side primitive sends to a server when it runs."""
    service, options = QiskitRuntimeLocalService, "to_runtime_options"
    with (
        mock.patch.object(service, "is_local", False),
        mock.patch.object(executor, options),  # of a backend that is a server's
        mock.patch.object(service, "_run") as sent,
    ):
        run()
    assert sent.call_args.kwargs["program_id"] == "executor"
    return json.dumps(sent.call_args.kwargs["inputs"], cls=RuntimeEncoder)


def decode(program_id, text):
    """The result as ``job.result()`` makes it of the text that a server answers."""
    data = text
    for decoder in DEFAULT_DECODERS[program_id]:
        if decoder.is_applicable(data):
            data = decoder.decode(data)
    return data
