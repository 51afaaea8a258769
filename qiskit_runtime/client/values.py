"""Parameters and results as JSON text and back.

Plain JSON needs the standard library alone; Qiskit's and NumPy's values need
``qiskit_runtime.serialization``, which is imported where there are such values.
"""

import json
from collections.abc import Mapping
from typing import Any

from qiskit_runtime.client.errors import ClientError

_TYPE_MARK = '"__type__"'
"""The key of each value that plain JSON does not have."""


def encode_params(params: Mapping[str, Any]) -> str:
    """Write a job's parameters; circuits, operators and arrays may be among them."""
    try:
        return json.dumps(params)
    except TypeError:
        # NumPy and Qiskit take a second to import.
        from qiskit_runtime.serialization import RuntimeEncoder

        return json.dumps(params, cls=RuntimeEncoder)


def decode(text: str, *, types: bool = True) -> Any:
    """Read a message or a result; circuits, arrays and the like become what they were.

    With ``types=False`` they stay the JSON objects that stand for them.

    Raises:
        ClientError: the text can't be read.
    """
    try:
        if not types or _TYPE_MARK not in text:
            return json.loads(text)
        from qiskit_runtime.serialization import RuntimeDecoder

        return json.loads(text, cls=RuntimeDecoder)
    except (ValueError, RecursionError) as error:
        raise ClientError(f"the JSON text can't be read: {error}") from error
    except ImportError as error:
        raise ClientError(
            f"the text holds values of Qiskit or NumPy ({error}); decoded=False reads it without"
        ) from error
