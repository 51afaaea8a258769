"""What all tests share, and how many of them have touched a real cluster."""

import signal
from collections import Counter, defaultdict

import hypothesis
import pytest

from tests import drawn_seeds

# A shell has what it starts in the background ignore Ctrl-C, which some tests send.
signal.signal(signal.SIGINT, signal.default_int_handler)


# A machine under load is slow, which is no fault; drawn inputs are the same in each run.
hypothesis.settings.register_profile("same", deadline=None, derandomize=not drawn_seeds.SEED)
hypothesis.settings.load_profile("same")


STORE_MODE = "store mode"
"""The property of a report that names the mode of a test of the stores' behaviour suite."""

STORE_COUNTS: defaultdict[str, Counter[str]] = defaultdict(Counter)
"""How the tests of each mode ended."""


@pytest.fixture(autouse=True)
def _drawn_inputs(request: pytest.FixtureRequest) -> None:
    """What a test draws depends on TEST_SEED and its name alone."""
    drawn_seeds.start_series(request.node.nodeid)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count the tests of the stores' behaviour suite."""
    mode = dict(report.user_properties).get(STORE_MODE)
    if mode and (report.when == "call" or not report.passed):
        STORE_COUNTS[mode]["xfailed" if hasattr(report, "wasxfail") else report.outcome] += 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell what the stores' suite and the real cluster were good for."""
    for mode, outcomes in STORE_COUNTS.items():
        told = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
        terminalreporter.write_line(f"JobStore behaviour suite, {mode} mode: {told}")
    counts = {
        outcome: sum("cluster" in getattr(report, "keywords", ()) for report in reports)
        for outcome, reports in terminalreporter.stats.items()
        if outcome in ("passed", "failed", "error", "skipped")
    }
    told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    terminalreporter.write_line(f"Tests on a real cluster: {told or 'none'}")
