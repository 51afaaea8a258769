"""The stores as a caller sees them: no method of a store goes by the view."""

import inspect

import pytest

from api.accounts.job_view import VisibleJobs
from api.accounts.program_view import VisiblePrograms
from api.accounts.session_view import VisibleSessions
from api.jobstore.base import JobStore
from api.programstore.base import ProgramLibrary
from api.sessionstore.base import SessionStore

MADE_OF_OTHERS = {
    "count_queued": "all_queued",
    "find_newest_ended": "find",
    "find_repeated": "get and read_params",
    "read_events": "open_events",
    "read_result": "open_result",
    "serve_result": "get, open_result and mark_result_read",
    "read_source": "resolve",
}
"""Methods that an interface makes of others by itself, so that the view's are used."""


@pytest.mark.parametrize(
    ("view", "interface"),
    [
        (VisibleJobs, JobStore),
        (VisiblePrograms, ProgramLibrary),
        (VisibleSessions, SessionStore),
    ],
)
def test_a_view_has_its_own_of_every_method(view, interface):
    """A new method of a store has to say what it is to one of several tenants."""
    public = {name for name, _ in inspect.getmembers(interface) if not name.startswith("_")}
    missing = public - set(vars(view)) - set(MADE_OF_OTHERS)

    assert not missing


@pytest.mark.parametrize("name", MADE_OF_OTHERS)
def test_what_is_made_of_others_is_made_so_in_the_interface_alone(name):
    """The body of such a method names nothing but methods of ``self``."""
    interface = next(one for one in (JobStore, ProgramLibrary) if hasattr(one, name))
    source = inspect.getsource(getattr(interface, name))

    assert "self._" not in source
