"""The official client's side of a program: what it posts, and how it reads what is published."""

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from unittest import mock

import jsonschema_rs
import pytest
from qiskit.primitives import PrimitiveResult
from qiskit_aer import AerSimulator
from qiskit_ibm_runtime import RuntimeDecoder as ClientDecoder
from qiskit_ibm_runtime import RuntimeEncoder as ClientEncoder
from qiskit_ibm_runtime.fake_provider.local_service import QiskitRuntimeLocalService

from qiskit_runtime.contract.wire.progress import Progress
from qiskit_runtime.serialization import RuntimeDecoder, RuntimeEncoder


class EncodedMessenger:
    """Keeps what is published as that client reads it, its text, and the progress."""

    def __init__(self):
        self.interim, self.final, self.texts, self.progress = [], [], [], []

    def publish(self, message, encoder=RuntimeEncoder, final=False):
        """Keep it."""
        self.texts.append(json.dumps(message, cls=encoder))
        decoded = json.loads(self.texts[-1], cls=ClientDecoder)
        (self.final if final else self.interim).append(decoded)

    def report_progress(self, done, total, best=None):
        """Keep it, if it can be one."""
        self.progress.append(Progress(done, total, best))


def as_posted(params):
    """The parameters as JSON text, in the encoding that clients post."""
    return json.dumps(params, cls=RuntimeEncoder)


def as_decoded(text):
    """The parameters as the program process hands them to main."""
    return json.loads(text, cls=RuntimeDecoder)


def post_officially(primitive, pubs, **options):
    """The text of the parameters that a primitive of the official client sends for these pubs."""
    with mock.patch.object(QiskitRuntimeLocalService, "_run") as sent, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the class: most use it still
        client = primitive(mode=AerSimulator())
        client.options.update(**options)
        client.run(pubs)
    return json.dumps(sent.call_args.kwargs["inputs"], cls=ClientEncoder)


@dataclass
class Primitive:
    """A program that takes pubs, run as it is in a job."""

    name: str
    load_program: Callable[[str], ModuleType]
    load_metadata: Callable[[str], dict[str, Any]]

    def run_text(self, text, backend=None, messenger=None):
        """Run it with parameters as posted: by its schema, its decoder and the client's."""
        schema = self.load_metadata(self.name)["spec"]["parameters"]
        jsonschema_rs.validator_for(schema).validate(json.loads(text))
        messenger = messenger or EncodedMessenger()
        main = self.load_program(self.name).main
        main(backend or AerSimulator(), messenger, **as_decoded(text))
        [result] = messenger.final
        assert isinstance(result, PrimitiveResult)
        assert result.metadata["version"] == 2
        return result

    def run(self, pubs, backend=None, messenger=None, **params):
        """Post parameters, and run it with them."""
        return self.run_text(as_posted({"pubs": pubs, **params}), backend, messenger)

    def refuse(self, match, pubs, backend=None, error=ValueError, **params):
        """Check that it refuses its inputs, and publishes nothing."""
        messenger, main = EncodedMessenger(), self.load_program(self.name).main
        with pytest.raises(error, match=match):
            main(backend or AerSimulator(), messenger, pubs, **params)
        assert messenger.texts == []
