"""The settings of ``qiskit-runtime serve``: its options over the environment's variables.

A wrong value is one sentence that names the option or the variable under which it was given.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from api.settings import PREFIX, ApiSettings

OPTIONS = {
    "RUNTIME_WORKERS": "--workers",
    "RUNTIME_PROGRAMS": "--programs",
    "RUNTIME_BACKENDS": "--backends",
    "RUNTIME_DATA": "--data",
    "RUNTIME_TOKEN": "--token",
    "RUNTIME_ALLOW_ANONYMOUS": "--allow-anonymous",
    "RUNTIME_ALLOWED_HOSTS": "--allow-host",
    "RUNTIME_JOB_MEMORY_BYTES": "--job-memory",
    "RUNTIME_PROGRAM_ENV": "--program-env",
    "RUNTIME_KEEP_DAYS": "--keep-days",
    "RUNTIME_KEEP_BYTES": "--keep-bytes",
    "RUNTIME_MAX_QUEUED": "--max-queued",
}
"""The option of ``serve`` that stands for an environment variable."""

_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "kb": 10**3, "mb": 10**6, "gb": 10**9}
_UNITS |= {"b": 1, "kib": 2**10, "mib": 2**20, "gib": 2**30}


class WrongSetting(click.ClickException):
    """An option or variable has a value that can't be; the sentence names it."""

    exit_code = 2


def parse_size(text: str) -> int:
    """Bytes of a size such as 2GiB, 500MB or 1048576; ValueError for anything else."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.strip().lower())
    if not match or match[2] not in _UNITS:
        raise ValueError(f"{text!r} is no size; write it as 2GiB, 512MiB or a number of bytes")
    return int(float(match[1]) * _UNITS[match[2]])


def load_settings(given: Mapping[str, str]) -> ApiSettings:
    """The settings, from the variables in ``given`` over those of the environment.

    They are put into the environment: the app is made there, again after each reload. An empty
    variable is one that is not set.

    Raises:
        WrongSetting: a value can't be.
    """
    os.environ.update(given)
    for name in [name for name in os.environ if name.startswith(PREFIX) or name == "NUM_WORKERS"]:
        if not os.environ[name]:
            del os.environ[name]
    _make_absolute()
    try:
        settings = ApiSettings()
    except ValidationError as error:
        raise WrongSetting(_explain(error.errors()[0], given)) from None
    for folder in settings.programs:
        if not folder.is_dir():
            raise WrongSetting(f"{name_of('RUNTIME_PROGRAMS', given)}: there is no folder {folder}")
    return settings


def _make_absolute() -> None:
    """Folders mean the same wherever a job's process works, and ``~`` is the user's home."""
    for name, separator in (("RUNTIME_DATA", None), ("RUNTIME_PROGRAMS", os.pathsep)):
        if value := os.environ.get(name):
            folders = value.split(separator) if separator else [value]
            absolute = [str(Path(folder).expanduser().absolute()) for folder in folders if folder]
            os.environ[name] = os.pathsep.join(absolute)


def _explain(error: Any, given: Mapping[str, str]) -> str:
    """What is wrong with a setting, by the name under which it was given."""
    variable = str(error["loc"][0])
    if variable in ApiSettings.model_fields:
        variable = PREFIX + variable.upper()
    # Of the two names of one setting pydantic always tells the first.
    if variable == "RUNTIME_WORKERS" and variable not in os.environ:
        variable = "NUM_WORKERS"
    message = error["msg"].removeprefix("Input should be ").partition(", unable")[0]
    if error["type"] == "value_error":
        # Our own words. What was given is not repeated: it may be a token.
        return f"{name_of(variable, given)}: {message.removeprefix('Value error, ')}"
    return f"{name_of(variable, given)}: {error['input']!r} won't do, it should be {message}"


def name_of(variable: str, given: Mapping[str, str]) -> str:
    """The option or variable under which a setting was given."""
    return OPTIONS.get(variable, variable) if given.get(variable) else variable
