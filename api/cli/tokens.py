"""Where a token comes from other than the environment: a file that is given, or one that is made.

Where the system does not say whose a connection is, ``serve`` makes a token at each start, into the
data folder, and a client of the same user finds it there.
"""

import os
import secrets
from dataclasses import replace
from pathlib import Path

import click

from api.serving.serve_settings import GivenOptions, WrongSetting

MADE = "token"
"""The file's name in the data folder."""

_MAX_BYTES = 4096


def read_token(file: str | Path) -> str:
    """The token in a file; the end of its line is not part of it.

    Raises:
        OSError: it can't be read.
    """
    with Path(file).expanduser().open("rb") as opened:
        return opened.read(_MAX_BYTES).decode("latin-1").rstrip("\r\n")


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
    """A new token, which no other user can read in the data folder.

    Raises:
        ClickException: it can't be written there.
    """
    token = secrets.token_urlsafe(32)
    draft = data / f"{MADE}.new"
    try:
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{token}\n")
        draft.replace(data / MADE)
    except OSError as error:
        raise click.ClickException(f"can't keep a token in {data}: {error.strerror}") from None
    return token


def find_token() -> str:
    """The token that a server of this user made; empty where there is none."""
    data = os.environ.get("RUNTIME_DATA") or Path.home() / ".qiskit-runtime"
    try:
        return read_token(Path(data) / MADE)
    except OSError:
        return ""
