"""The behaviour suite: what ``api.jobstore.base`` promises, of every store in ``MODES``.

Its tests know a store by ``JobStore`` alone and give programs as source. How many ran in each mode
is printed at the end of a run. With ``REQUIRE_CLUSTER=1`` a test that is skipped has failed.
"""

import os
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.conftest import STORE_MODE
from tests.jobstore.modes import MODES
from tests.jobstore.store_under_test import StoreUnderTest


def _params() -> list[object]:
    marks = {"kubernetes": pytest.mark.cluster}
    return [pytest.param(mode, marks=marks.get(mode, ())) for mode in MODES]


@pytest.fixture(scope="module", params=_params())
async def jobs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[StoreUnderTest]:
    """An open store, one for the tests of a module: none is open when the cluster is taken away."""
    async with MODES[request.param](tmp_path_factory.mktemp(request.param)) as store:
        yield store


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Note a test's mode; make a skip a failure where the run may have none."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and _may_not_skip():
        report.outcome = "failed"
        report.longrepr = f"skipped, although REQUIRE_CLUSTER=1: {report.longrepr}"
    if mode := item.callspec.params.get("jobs") if hasattr(item, "callspec") else None:
        report.user_properties.append((STORE_MODE, mode))
    return report


def _may_not_skip() -> bool:
    return os.environ.get("REQUIRE_CLUSTER") == "1"
