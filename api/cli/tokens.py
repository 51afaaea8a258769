"""The token of ``serve``, from a file that is given, or made at its start.

Where the system does not say whose a connection is, ``serve`` makes a token at each start, into the
data folder, and a client of the same user finds it there.
"""

import os
import secrets
from pathlib import Path

import click

from api.serving.serve_settings import WrongSetting
from qiskit_runtime.contract.wire.local_server import TOKEN_FILE, read_token


def take_from_file(given: dict[str, str]) -> dict[str, str]:
    """Put the token itself in the place of the file that was named, by option or variable.

    Raises:
        WrongSetting: the file can't be read or is empty, or a token is given as well.
    """
    is_option = "RUNTIME_TOKEN_FILE" in given
    name = "--token-file" if is_option else "RUNTIME_TOKEN_FILE"
    rest = {key: value for key, value in given.items() if key != "RUNTIME_TOKEN_FILE"}
    file = given["RUNTIME_TOKEN_FILE"] if is_option else os.environ.get("RUNTIME_TOKEN_FILE")
    if not file or (not is_option and "RUNTIME_TOKEN" in given):
        return rest
    if given.get("RUNTIME_TOKEN") or (not is_option and os.environ.get("RUNTIME_TOKEN")):
        raise WrongSetting(f"{name}: there is a token beside it; give one of them")
    try:
        token = read_token(file)
    except OSError as error:
        raise WrongSetting(f"{name}: can't read {file}: {error.strerror}") from None
    if not token:
        raise WrongSetting(f"{name}: {file} is empty")
    return {**rest, "RUNTIME_TOKEN": token}


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
