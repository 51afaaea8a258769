"""The settings of ``qiskit-runtime serve``: its options over the environment's variables.

A wrong value is one sentence that names the option or the variable under which it was given.
"""

import os
from dataclasses import dataclass
from typing import Any

import click
from pydantic import ValidationError

from api.settings import PREFIX, ApiSettings


class WrongSetting(click.ClickException):
    """An option or variable has a value that can't be; the sentence names it."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class GivenOptions:
    """The options that were given, by the settings that they stand for: values and names.

    An option that is empty was not given: ``make serve WORKERS=`` leaves it so.
    """

    values: dict[str, Any]
    names: dict[str, str]

    @classmethod
    def from_context(cls, context: click.Context) -> "GivenOptions":
        """Return those of a command whose parameters are named as the settings are."""
        values = {
            name: value
            for name, value in context.params.items()
            if name in ApiSettings.model_fields and _is_given(value)
        }
        if context.params["token"] is not None:
            # An empty token is a value: none, whatever the environment says.
            values["token"] = context.params["token"]
        names = {str(option.name): option.opts[0] for option in context.command.params}
        return cls(values, names)

    def name_of(self, setting: str) -> str:
        """Return the option or variable under which a setting was given."""
        if self.values.get(setting):
            return self.names[setting]
        # Of the two names of one setting pydantic always reports the first.
        if setting == "workers" and not os.environ.get("RUNTIME_WORKERS"):
            return "NUM_WORKERS"
        return PREFIX + setting.upper()


def _is_given(value: Any) -> bool:
    return any(value) if isinstance(value, tuple) else bool(value)


def load_settings(given: GivenOptions) -> ApiSettings:
    """Return the settings: the given options over the environment's variables.

    Raises:
        WrongSetting: a value can't be.
    """
    try:
        settings = ApiSettings(**given.values)
    except ValidationError as error:
        raise WrongSetting(_explain(error.errors()[0], given)) from None
    for folder in settings.programs:
        if not folder.is_dir():
            raise WrongSetting(f"{given.name_of('programs')}: there is no folder {folder}")
    return settings


def _explain(error: Any, given: GivenOptions) -> str:
    """Return a sentence on a wrong value, which begins with the name under which it was given."""
    place = str(error["loc"][0])
    setting = place if place in ApiSettings.model_fields else place.removeprefix(PREFIX).lower()
    name = given.name_of(setting.replace("num_workers", "workers"))
    message = error["msg"].removeprefix("Input should be ").partition(", unable")[0]
    if error["type"] == "value_error":
        # Our own words. What was given is not repeated: it may be a token.
        return f"{name}: {message.removeprefix('Value error, ')}"
    return f"{name}: {error['input']!r} is not valid: it should be {message}"
