"""The part of a job that both clients share: its id, and how it shows itself in a notebook."""

import importlib.util
import sys
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from qiskit_runtime.client.address import Address

if TYPE_CHECKING:
    from qiskit_runtime.client.job_widget import JobWidget


class _Addressed(Protocol):
    """A client, which knows its server."""

    @property
    def address(self) -> Address: ...


ClientT = TypeVar("ClientT", bound=_Addressed)


class JobHandle(Generic[ClientT]):
    """A job on the server; the last expression of a notebook's cell, it shows itself live."""

    def __init__(self, client: ClientT, job_id: str) -> None:
        self._client = client
        self.id = job_id
        self._widget: JobWidget | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r})"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any] | tuple[dict[str, Any], dict[str, Any]]:
        """Return what IPython shows: the widget, or the job as it is now in words."""
        if not in_notebook():
            return {"text/plain": repr(self)}
        if (widget := self.find_widget()) is None:
            from qiskit_runtime.client.job_feed import describe_job

            return {"text/plain": f"{self!r}: {describe_job(self._client.address, self.id)}"}
        data, metadata = widget._repr_mimebundle_() or ({}, {})
        return {**data, "text/plain": repr(self)}, metadata

    def find_widget(self) -> "JobWidget | None":
        """Return the one widget of this object; None without a notebook, or without anywidget."""
        if not (in_notebook() and importlib.util.find_spec("anywidget")):
            return None
        if self._widget is None or self._widget.is_closed:
            # It brings ipywidgets and IPython, which scripts do without.
            from qiskit_runtime.client.job_widget import JobWidget

            self._widget = JobWidget(self._client.address, self.id)
        return self._widget


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook, whatever shows it."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return hasattr(shell, "kernel")
