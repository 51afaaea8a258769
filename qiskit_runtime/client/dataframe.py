"""Interim results and progress as a table of pandas: a row for each, a column for each number."""

import re
import sys
from collections.abc import Container, Iterator, Mapping
from itertools import chain, count
from typing import TYPE_CHECKING, Any

from qiskit_runtime.client.calls import Calls
from qiskit_runtime.client.errors import ClientError, Refused
from qiskit_runtime.client.job_stream import StreamEvent
from qiskit_runtime.client.steps import Flow
from qiskit_runtime.client.values import decode
from qiskit_runtime.contract.wire.events import Message, ProgressEvent

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = ("kind", "number", "step", "total", "best", "value")
"""The columns that every table begins with; what programs publish by name comes after them."""

_STEP = re.compile(r"iteration|iter|step|epoch|nfev|evaluation|n", re.IGNORECASE | re.ASCII)
"""Names of steps, as the console knows them (``series.js``; one table of cases holds both)."""

_OUTCOME = re.compile(r"[01 ]+|0x[0-9a-f]+")
"""Names of a circuit's outcomes."""

_MOST_PLACES = 8
"""The longest list whose places have names; a longer one is one value, as a state's vector."""

_LONGEST_NAME = 60


class InterimTable:
    """The rows of a job's table, taken from its stream one by one."""

    def __init__(self, *, schema: Any, decoded: bool) -> None:
        self._names = name_places(schema)
        self._decoded = decoded
        self._rows: list[dict[str, Any]] = []

    def take(self, event: StreamEvent) -> None:
        """Add the row of an event, if it has one."""
        match event:
            case Message(number=number, text=text, final=False):
                value = _read(text, decoded=self._decoded)
                row = read_row(value, self._names)
                self._rows.append({"kind": "message", "number": number, "step": number, **row})
            case ProgressEvent(progress=progress):
                done = {"step": progress.done, "total": progress.total, "best": progress.best}
                self._rows.append({"kind": "progress", **done})

    def to_dataframe(self) -> "DataFrame":
        """Return the table."""
        pandas = _import_pandas()
        named = {name: None for row in self._rows for name in row if name not in COLUMNS}
        frame = pandas.DataFrame(self._rows, columns=[*COLUMNS, *named])
        numbers = {"step": "float64", "total": "float64", "best": "float64"}
        return frame.astype({"kind": "str", "number": "Int64", **numbers})


def begin_table(calls: Calls, job_id: str, *, decoded: bool) -> Flow[InterimTable]:
    """Return a job's table without rows.

    Raises:
        ImportError: pandas is not installed.
    """
    _import_pandas()
    job = yield from calls.job(job_id)
    try:
        schema = (yield from calls.program(job.program)).interim_results
    except Refused:
        # It was deleted; its columns have the places' numbers then.
        schema = None
    return InterimTable(schema=schema, decoded=decoded)


def _import_pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise ImportError("to_dataframe needs pandas: pip install pandas") from error
    return pandas


def _read(text: str, *, decoded: bool) -> Any:
    try:
        return decode(text, types=decoded)
    except ClientError:
        # A value that is not for this Python, or no JSON: the row is there all the same.
        return text


def name_places(schema: Any) -> dict[int, str]:
    """Return names for the places of a list, as the program's schema of interim results has them.

    They are those of the console's curves.
    """
    fields = schema if isinstance(schema, dict) else {}
    items = fields.get("prefixItems")
    if items is None:
        items = fields.get("items")
    named = enumerate(map(_name, items)) if isinstance(items, list) else ()
    return {place: name for place, name in named if 0 < len(name) < _LONGEST_NAME}


def _name(item: Any) -> str:
    fields = item if isinstance(item, dict) else {}
    title, description = fields.get("title"), fields.get("description")
    if title and isinstance(title, str):
        return title
    text = description if isinstance(description, str) else ""
    first = re.sub(r"[.:].*", "", text, flags=re.DOTALL)
    return re.sub(r"^(the|an?) ", "", first, flags=re.IGNORECASE)


def read_row(value: Any, names: Mapping[int, str]) -> dict[str, Any]:
    """Return a message's values by their columns' names; ``step`` is there if it names one."""
    if isinstance(value, dict) and not _is_one_value(value):
        parts = list(_walk(value))
        steps = (at for at, (name, one) in enumerate(parts) if _is_step(name, one))
        step = next(steps, None)
    elif isinstance(value, list) and 0 < len(value) <= _MOST_PLACES:
        parts = [(names.get(place, f"[{place}]"), one) for place, one in enumerate(value)]
        step = 0 if _is_counted(value) else None
    else:
        return {"value": value}
    row = {} if step is None else {"step": float(parts.pop(step)[1])}
    for name, one in parts:
        row[_find_free(_name_column(name, one), row)] = one
    return row


def _walk(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of an object by their names, those of objects in it too."""
    for name, one in values.items():
        if isinstance(one, dict) and not _is_one_value(one):
            yield from _walk(one, f"{before}{name}.")
        else:
            yield before + name, one


def _is_step(name: str, value: Any) -> bool:
    return _STEP.fullmatch(name) is not None and _is_number(value)


def _is_counted(values: list[Any]) -> bool:
    """Return whether a list begins with a count, which is the step of the numbers behind it."""
    numbers = [one for one in values if _is_number(one)]
    is_count = _is_number(values[0]) and values[0] >= 0 and float(values[0]).is_integer()
    return is_count and len(numbers) > 1


def _name_column(name: str, value: Any) -> str:
    """Return a column's name; the table's own columns have no values of another kind."""
    is_taken = name in COLUMNS and not (name in ("total", "best", "value") and _is_number(value))
    return f"message.{name}" if is_taken else name


def _find_free(name: str, taken: Container[str]) -> str:
    """Return a name that no value has: the name itself, or with a number behind it."""
    names = chain([name], (f"{name} {number}" for number in count(2)))
    return next(one for one in names if one not in taken)


def _is_one_value(value: Mapping[str, Any]) -> bool:
    """Return whether an object is no names with values: counts of outcomes, or an encoded value."""
    outcomes = {name: one for name, one in value.items() if _OUTCOME.fullmatch(name)}
    is_counts = len(outcomes) == len(value) or any(map(_is_number, outcomes.values()))
    return is_counts or "__type__" in value


def _is_number(value: Any) -> bool:
    """Return whether a value is a number that a column of floats holds."""
    is_real = isinstance(value, int | float) and not isinstance(value, bool)
    return is_real and abs(value) <= sys.float_info.max
