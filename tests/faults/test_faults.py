"""Every fault of the catalogue, done to a real installation, leaves the invariants whole."""

import pytest

from tests.cluster.stand import open_stand
from tests.faults.history import find_violations
from tests.faults.recorder import Recorder, describe
from tests.faults.scripts import OPTIONS, SCRIPTS

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


@pytest.mark.parametrize("fault", SCRIPTS)
def test_fault_breaks_no_invariant(fault, tmp_path):
    """A single end, a single Job, frames once and in order, results byte for byte, nothing left."""
    with open_stand(tmp_path, **OPTIONS.get(fault, {})) as stand:
        with Recorder(stand) as recorder:
            SCRIPTS[fault](stand, recorder)
            recorder.read_results()
        print(describe(recorder.history))
        assert find_violations(recorder.history) == []
