"""The official client's side of a program: what it posts, and how it reads what is published."""

import json
import warnings
from unittest import mock

from qiskit_aer import AerSimulator
from qiskit_ibm_runtime import RuntimeDecoder as ClientDecoder
from qiskit_ibm_runtime import RuntimeEncoder as ClientEncoder
from qiskit_ibm_runtime.fake_provider.local_service import QiskitRuntimeLocalService

from qiskit_runtime.contract.progress import Progress
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
