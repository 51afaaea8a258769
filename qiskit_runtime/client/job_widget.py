"""A job as a widget of a notebook (``anywidget``), drawn by the modules of the console.

The kernel reads the job's stream and sends it over the widget's channel: the browser asks no other
server, and sees no token.
"""

from collections.abc import Iterable
from typing import Any

from anywidget import AnyWidget

from qiskit_runtime.client.address import Address
from qiskit_runtime.client.job_feed import JobFeed
from qiskit_runtime.console.bundle import bundle_notebook


class JobWidget(AnyWidget):
    """The widget of one job. It follows the job from the start until the job ends, or ``close``."""

    _esm = bundle_notebook()

    def __init__(self, address: Address, job_id: str) -> None:
        self.feed = JobFeed(address, job_id, self.send_state)
        super().__init__()
        self.feed.start()

    @property
    def is_closed(self) -> bool:
        """Return whether it was closed: nothing shows it any more."""
        return self.comm is None

    def get_state(
        self, key: str | Iterable[str] | None = None, drop_defaults: bool = False
    ) -> dict[str, Any]:
        """Return what browsers have: ipywidgets' own, and the feed's, whose names become more."""
        fed = dict(self.feed.state)
        if key is None:
            return {**super().get_state(None, drop_defaults), **fed}
        names = {key} if isinstance(key, str) else set(key)
        own = super().get_state(list(names - fed.keys()), drop_defaults)
        return {**own, **{name: fed[name] for name in names & fed.keys()}}

    def close(self) -> None:
        """Remove it from all pages, and stop following the job."""
        self.feed.stop()
        super().close()
