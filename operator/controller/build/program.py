"""The plan of a job: the version of a program that it runs, its source, and its backend. Pure."""

import json
import logging
from dataclasses import dataclass
from typing import Any

from qiskit_runtime.contract.resources.backend import BackendSpec
from qiskit_runtime.contract.resources.program import ProgramSource
from qiskit_runtime.contract.schemas.params_schema import SchemaInvalid, find_first_error, is_quick

logger = logging.getLogger(__name__)


class ParamsInvalid(ValueError):
    """A job's parameters do not match its program's JSON Schema; the text names the place."""


@dataclass(frozen=True, slots=True)
class ProgramSelection:
    """A version of a program. ``file`` is the source's name for the runner, empty in the library.

    ``source`` is written into the job's input; None where the job brings it, or needs none.
    """

    version: str
    file: str = ""
    source: ProgramSource | None = None
    schema: dict[str, Any] | None = None
    """The JSON Schema of its parameters."""

    def check_params(self, text: str) -> None:
        """Compare parameters with the schema, if there is one and that is quick.

        All other jobs wait meanwhile, so a check that may take long is left to the program. Text
        that is no JSON is left to the runner, whose message is better.

        Raises:
            ParamsInvalid: they do not match.
        """
        if not self.schema:
            return
        try:
            if not is_quick(self.schema, text):
                return
            errors = find_first_error(self.schema, json.loads(text))
        except SchemaInvalid as error:
            # A RuntimeProgram of kubectl's, whose schema nobody has checked.
            logger.warning("parameters are not checked: the program's schema: %s", error)
            return
        except (ValueError, RecursionError):
            return
        if errors:
            raise ParamsInvalid("; ".join(map(str, errors)))


@dataclass(frozen=True, slots=True)
class JobPlan:
    """The program and the backend of a job that is about to start."""

    program: ProgramSelection
    backend: BackendSpec

    @property
    def resource_class(self) -> str:
        """The class of the pod that it runs in; empty is none."""
        return self.backend.resource_class or ""
