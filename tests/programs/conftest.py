"""Loads a program as the runner does, by its folder; records what it publishes."""

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from qiskit_runtime.contract.wire.progress import Progress
from qiskit_runtime.serialization import RuntimeDecoder, RuntimeEncoder

PROGRAMS = Path(__file__).parents[2] / "qiskit_runtime" / "programs" / "library"


class RecordingMessenger:
    """Keeps what is published, each message as the plain JSON that a client would read."""

    def __init__(self) -> None:
        self.interim: list[Any] = []
        self.final: list[Any] = []
        self.progress: list[Progress] = []

    def publish(self, message: Any, encoder: Any = None, final: bool = False) -> None:
        """Keep a copy; what plain JSON can't carry is a TypeError or a ValueError here."""
        copy = json.loads(json.dumps(message, allow_nan=False))
        (self.final if final else self.interim).append(copy)

    def report_progress(self, done: float, total: float, best: float | None = None) -> None:
        """Keep it; what can't be one is a ValueError here."""
        self.progress.append(Progress(done, total, best))


class DecodingMessenger(RecordingMessenger):
    """Keeps what is published as a client's decoder reads it: arrays are arrays again."""

    def publish(self, message: Any, encoder: Any = RuntimeEncoder, final: bool = False) -> None:
        """Keep a copy; NaN and infinities are a ValueError here."""
        text = json.dumps(message, cls=encoder, allow_nan=False)
        (self.final if final else self.interim).append(json.loads(text, cls=RuntimeDecoder))


@pytest.fixture
def decoding_messenger() -> DecodingMessenger:
    """A messenger that records, for results with arrays."""
    return DecodingMessenger()


@pytest.fixture
def messenger() -> RecordingMessenger:
    """A messenger that records."""
    return RecordingMessenger()


@pytest.fixture
def load_program(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Import ``<name>/<name>.py`` with its folder first on the path, as the runner does."""

    def load(name: str) -> ModuleType:
        folder = PROGRAMS / name
        monkeypatch.syspath_prepend(folder)
        spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        before = set(sys.modules)
        spec.loader.exec_module(module)
        for sibling in folder.glob("*.py"):
            # Another program may have a module of the same name.
            if sibling.stem not in before:
                sys.modules.pop(sibling.stem, None)
        return module

    return load


@pytest.fixture
def load_metadata() -> Callable[[str], dict[str, Any]]:
    """Read ``<name>/<name>.json``."""

    def load(name: str) -> dict[str, Any]:
        metadata: dict[str, Any] = json.loads((PROGRAMS / name / f"{name}.json").read_text())
        return metadata

    return load
