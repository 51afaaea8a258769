"""The settings of the operator: resource classes, and the bounds of their pools."""

import pytest
from pydantic import ValidationError

from controller.settings import (
    OperatorSettings,
    PoolSize,
    RunnerSettings,
    UnknownResourceClass,
    WarmPoolSettings,
)

LARGE = '{"large": {"memory": "8Gi", "cpuLimit": 4, "nodeSelector": {"disk": "fast"}}}'


def test_class_has_its_own_settings_and_else_those_of_all(monkeypatch):
    """A class replaces what it names, whole, and nothing else."""
    monkeypatch.setenv("RUNTIME_RUNNER_CLASSES", LARGE)
    runner = RunnerSettings(image="i:1", cpu_request="1", node_selector={"zone": "a"})
    large = runner.of("large")
    assert (large.memory, large.cpu_limit, large.cpu_request) == ("8Gi", "4", "1")
    assert large.node_selector == {"disk": "fast"} and large.image == "i:1"
    assert runner.of("") is runner and runner.memory == "2Gi"


def test_unknown_class_is_told_with_those_there_are():
    """The message has the names to choose from."""
    runner = RunnerSettings(image="i:1", classes={"small": {}, "large": {}})
    with pytest.raises(UnknownResourceClass, match="class huge; there are: large, small"):
        runner.of("huge")
    with pytest.raises(UnknownResourceClass, match="there are: none"):
        RunnerSettings(image="i:1").of("large")


@pytest.mark.parametrize("field", ["keepSeconds", "memmory", "classes"])
def test_class_of_an_unknown_field_is_refused(field):
    """A mistake is found when the operator starts."""
    with pytest.raises(ValidationError, match=field):
        RunnerSettings(image="i:1", classes={"large": {field: "1"}})


def test_pool_is_of_a_class_that_there_is():
    """A pool of no class would be filled by nobody."""
    runner, pool = RunnerSettings(image="i:1"), WarmPoolSettings(classes={"large": {"size": 1}})
    with pytest.raises(UnknownResourceClass, match="large"):
        OperatorSettings(namespace="n", runner=runner, warm_pool=pool)


def test_most_pods_are_those_of_all_pools():
    """So many logs may be held open ahead; a pool without a size has no pod."""
    classes = {"large": {"size": 1, "maxSize": 4}, "small": {"size": 3, "maxSize": 2}}
    off = {"off": {"maxSize": 9}}
    assert WarmPoolSettings(classes=classes | off).most == 4 + 3
    assert WarmPoolSettings(classes=classes, size=2, per_session=5).most == 4 + 3 + 2 + 5
    assert WarmPoolSettings(classes=classes).is_on and not WarmPoolSettings(classes=off).is_on


@pytest.mark.parametrize(
    ("size", "max_size", "starts", "wanted"),
    [(0, 9, 3, 0), (2, 0, 0, 2), (2, 0, 5, 2), (2, 4, 1, 3), (2, 4, 9, 4)],
)
def test_pool_grows_with_the_starts_within_its_bounds(size, max_size, starts, wanted):
    """Zero is off, however many jobs start."""
    assert PoolSize(size=size, maxSize=max_size).count_wanted(starts) == wanted
