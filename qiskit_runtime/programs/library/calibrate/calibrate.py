"""Calibrates nothing: the program behind Calibrator of qiskit-ibm-runtime, for a simulator.

A simulated device does not drift, so there is nothing to measure and to set: the calibration is
over as soon as it began, and its result says so.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from qiskit_runtime.programs.inputs.aer_options import say_left_out

if TYPE_CHECKING:
    from qiskit_aer import AerSimulator

    from qiskit_runtime.messenger import UserMessenger

VERSION = "v0.1"
"""The one version of the parameters' and the result's form."""

logger = logging.getLogger("qiskit_runtime.programs.calibrate")


def main(
    backend: AerSimulator,
    user_messenger: UserMessenger,
    schema_version: str,
    options: dict[str, Any] | None = None,
) -> None:
    """Publish the time of the calibration, as the final result.

    ``calibrate.json`` describes the parameters.
    """
    started = datetime.now(UTC)
    if schema_version != VERSION:
        raise ValueError(f"schema_version: expected {VERSION}, got {schema_version!r}")
    experimental = (options or {}).get("experimental") or {}
    if not isinstance(experimental, Mapping):
        kind = type(experimental).__name__
        raise ValueError(f"options.experimental: expected an object, got {kind}")
    say_left_out(f"options.experimental.{name}" for name in experimental)
    logger.info("%s is a simulator, which there is nothing to calibrate of", backend.name)
    user_messenger.publish(
        {
            "schema_version": VERSION,
            "start": started.isoformat(),
            "stop": datetime.now(UTC).isoformat(),
        },
        final=True,
    )
