"""The rig's own tests: what takes the cluster away comes last."""

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of ``test_rig_down`` behind all others."""
    items.sort(key=lambda item: item.path.stem == "test_rig_down")
