"""The token of ``serve``, from a file that is given, or made at its start.

Where the system does not say whose a connection is, ``serve`` makes a token at each start, into the
data folder, and a client of the same user finds it there.
"""

import os
import secrets
from dataclasses import replace
from pathlib import Path

import click

from api.serving.serve_settings import GivenOptions, WrongSetting
from qiskit_runtime.contract.wire.local_server import TOKEN_FILE, read_token


def take_from_file(given: GivenOptions, option: str) -> GivenOptions:
    """Return the options with the token from the file that ``option`` or a variable names.

    Raises:
        WrongSetting: the file can't be read or is empty, or a token is given as well.
    """
    name = "--token-file" if option else "RUNTIME_TOKEN_FILE"
    file = option or os.environ.get("RUNTIME_TOKEN_FILE")
    if not file or (not option and "token" in given.values):
        return given
    if given.values.get("token") or (not option and os.environ.get("RUNTIME_TOKEN")):
        raise WrongSetting(f"{name}: there is a token as well; give one of them")
    try:
        token = read_token(file)
    except OSError as error:
        raise WrongSetting(f"{name}: can't read {file}: {error.strerror}") from None
    if not token:
        raise WrongSetting(f"{name}: {file} is empty")
    return replace(given, values={**given.values, "token": token})


def make_token(data: Path) -> str:
    """Make a token, which no other user can read in the data folder.

    Raises:
        ClickException: it can't be written there.
    """
    token = secrets.token_urlsafe(32)
    draft = data / f"{TOKEN_FILE}.new"
    try:
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{token}\n")
        draft.replace(data / TOKEN_FILE)
    except OSError as error:
        raise click.ClickException(f"can't keep a token in {data}: {error.strerror}") from None
    return token
