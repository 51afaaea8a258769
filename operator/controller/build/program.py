"""What a job runs: which version of which program, and where its source comes from. Pure."""

import json
import logging
from dataclasses import dataclass
from typing import Any

from qiskit_runtime.contract.resources.program import ProgramSource
from qiskit_runtime.contract.schemas.params_schema import SchemaInvalid, find_first_error, is_quick

logger = logging.getLogger(__name__)


class ParamsInvalid(ValueError):
    """A job's parameters do not match its program's JSON Schema; the text says where."""


@dataclass(frozen=True, slots=True)
class ProgramSelection:
    """What a job runs. ``file`` is its source's name for the runner, empty for the library's own.

    ``source`` is what is handed over; None where the job has brought it, or needs none.
    """

    version: str
    file: str = ""
    source: ProgramSource | None = None
    schema: dict[str, Any] | None = None
    """That of its parameters."""

    def check_params(self, text: str) -> None:
        """Compare parameters with the schema, where there is one and that takes no time.

        All other jobs wait for it, so it is left to the program where anything else might be. What
        is no JSON at all, the runner tells better.

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
            # kubectl made the program, and nobody has checked it: it takes anything.
            logger.warning("parameters are not checked: the program's schema: %s", error)
            return
        except (ValueError, RecursionError):
            return
        if errors:
            raise ParamsInvalid("; ".join(map(str, errors)))
