"""Arrays in JSON: as .npy files, or, where they hold Python objects, as nested lists."""

import io
import math
from typing import TYPE_CHECKING, Any

from qiskit_runtime.codec.compressed_text import inflate, read_bytes, write_deflated

if TYPE_CHECKING:
    import numpy

    Array = numpy.ndarray[Any, Any]

_SHAPE = "__shape__"
"""The key of an array of objects for its shape, which its list alone does not show."""

_NUMBERS = {bool, int, float, complex}


def array_form(array: "Array") -> dict[str, Any]:
    """Return the JSON form of an array, which the library reads and writes as well."""
    import numpy

    if array.dtype == object:  # .npy would need pickle
        shape = list(array.shape)
        return {"__type__": "ndarray", "__value__": array.tolist(), _SHAPE: shape}
    buffer = io.BytesIO()
    numpy.save(buffer, array, allow_pickle=False)
    return {"__type__": "ndarray", "__value__": write_deflated(buffer.getvalue())}


def read_array(form: dict[str, Any]) -> "Array":
    """Return the array of a form.

    Raises:
        ValueError: it is not an array, or inflates to more than the limit.
    """
    import numpy

    value, shape = form["__value__"], form.get(_SHAPE)
    if shape is not None:
        return _array_of_objects(value, tuple(shape))
    if isinstance(value, str):
        data = io.BytesIO(inflate(read_bytes(value)))
        # Not numpy.load: that would also accept a zip archive, whose size nothing has checked.
        return numpy.lib.format.read_array(data, allow_pickle=False)
    shape = _find_shape(value)
    types = {type(leaf) for leaf in _flatten(value, len(shape))}
    # A client's form: today's has lists for arrays of objects, that of 2021 for all arrays.
    if types <= _NUMBERS or types == {str}:
        return numpy.array(value)
    return _array_of_objects(value, shape)


def _array_of_objects(value: Any, shape: tuple[int, ...]) -> "Array":
    import numpy

    leaves = _flatten(value, len(shape))
    if len(leaves) != math.prod(shape):
        raise ValueError(f"{len(leaves)} values for an array of the shape {shape}")
    array = numpy.empty(shape, dtype=object)
    flat = array.reshape(-1)
    for index, leaf in enumerate(leaves):  # one by one: NumPy would look into lists and circuits
        flat[index] = leaf
    return array


def _find_shape(value: Any) -> tuple[int, ...]:
    """Return the shape of nested lists, as deep as those of one depth are of one length."""
    shape: list[int] = []
    level = [value]
    while level and all(isinstance(part, list) for part in level):
        lengths = {len(part) for part in level}
        if len(lengths) > 1:
            break
        shape.append(lengths.pop())
        level = [item for part in level for item in part]
    return tuple(shape)


def _flatten(value: Any, depth: int) -> list[Any]:
    leaves = [value]
    for _ in range(depth):
        leaves = [item for part in leaves for item in part]
    return leaves
