"""Settings of all tests, their distribution over processes, and counts for the summary."""

import os
import signal
from collections import Counter, defaultdict
from collections.abc import Generator, Iterator

import hypothesis
import pytest
from xdist.remote import Producer

from tests import drawn_seeds
from tests.distribution import Distribution, Kind, check_marks, find_kind

# A shell has what it starts in the background ignore Ctrl-C, which some tests send.
signal.signal(signal.SIGINT, signal.default_int_handler)


# A machine under load is slow, which is no fault; drawn inputs are the same in each run.
hypothesis.settings.register_profile("same", deadline=None, derandomize=not drawn_seeds.SEED)
hypothesis.settings.load_profile("same")


STORE_MODE = "store mode"
"""The property of a report that names the mode of a test of the stores' behaviour suite."""

STORE_COUNTS: defaultdict[str, Counter[str]] = defaultdict(Counter)
"""The number of tests of each mode by outcome."""


FAILED = pytest.StashKey[bool]()
"""Whether the last try of a test has failed."""

REASON_LIMIT = 1_500
"""The characters of a failed try's traceback that the summary prints."""

COVERAGE_OF_PROCESSES = "COVERAGE_PROCESS_CONFIG"
"""The environment variable by which coverage measures the processes that tests start."""

MEASURED = ("tests/api/", "tests/runner/")
"""The tests whose processes are measured: servers, commands and runners.

To be measured takes each of them 0.1 to 0.4 s of a processor, a third of what they take to start;
those of other tests run the same code, and there are thousands.
"""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Distribution:
    """Return the scheduler of a run in several processes (``pytest -n 2``)."""
    return Distribution(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the test that takes the cluster down behind all others."""
    check_marks(items)
    items.sort(key=lambda item: find_kind(item.nodeid) is Kind.LAST)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Keep coverage out of processes that need none, or that a test measures itself."""
    configuration = None
    if not item.nodeid.startswith(MEASURED) or item.get_closest_marker("unmeasured"):
        configuration = os.environ.pop(COVERAGE_OF_PROCESSES, None)
    try:
        return (yield)
    finally:
        if configuration is not None:
            os.environ[COVERAGE_OF_PROCESSES] = configuration


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember of a test's try whether it failed."""
    report = yield
    failed_before = report.when != "setup" and item.stash.get(FAILED, False)
    item.stash[FAILED] = report.failed or failed_before
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Take down all fixtures of a test that failed, where it is tried again (``--reruns``).

    Its second try would meet what the first has left in those that are shared, such as jobs of the
    same names in an installation of its module.
    """
    if item.stash.get(FAILED, False) and item.config.getoption("reruns", None):
        # No public call does it; the plugin that runs a test again works on the same object, and
        # finds nothing left to keep.
        item.session._setupstate.teardown_exact(None)


@pytest.fixture(autouse=True)
def _drawn_inputs(request: pytest.FixtureRequest) -> None:
    """Make what a test draws depend on TEST_SEED and its name alone."""
    drawn_seeds.start_series(request.node.nodeid)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count the tests of the stores' behaviour suite."""
    mode = dict(report.user_properties).get(STORE_MODE)
    if mode and (report.when == "call" or not report.passed):
        STORE_COUNTS[mode]["xfailed" if hasattr(report, "wasxfail") else report.outcome] += 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many tests of the stores' suite and of a real cluster ended in each way.

    A test that passed at its second try is printed with what it failed by.
    """
    for report in terminalreporter.stats.get("rerun", ()):
        terminalreporter.section(f"first try of {report.nodeid}", sep="_")
        terminalreporter.write_line(report.longreprtext[-REASON_LIMIT:])
    for mode, outcomes in STORE_COUNTS.items():
        counts_text = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
        terminalreporter.write_line(f"JobStore behaviour suite, {mode} mode: {counts_text}")
    counts = {
        outcome: sum("cluster" in getattr(report, "keywords", ()) for report in reports)
        for outcome, reports in terminalreporter.stats.items()
        if outcome in ("passed", "failed", "error", "skipped")
    }
    counts_text = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    terminalreporter.write_line(f"Tests on a real cluster: {counts_text or 'none'}")
