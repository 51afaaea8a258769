"""The file of mode ``accounts``: people's names, the hashes of their tokens, their instances.

On a cluster it is a Secret that is mounted. It is read again when it changes, so tokens are added
and withdrawn without a restart; a file that can't be used changes nothing, and is logged.
"""

import asyncio
import logging
import os
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from api.accounts.caller import Caller, Role
from api.accounts.keys import KnownKey, hash_key
from qiskit_runtime.contract.resources.instance import Instance, parse_instance

MAX_FILE_BYTES = 2**20
"""The size of a Secret; a thousand accounts take a quarter of it."""

MAX_ACCOUNTS = 2000
"""The hashes that a credential is compared with, in a millisecond."""

LOOK_SECONDS = 1.0
"""The time until a change of the file is seen at the latest."""

logger = logging.getLogger(__name__)


class AccountsFileInvalid(ValueError):
    """The file can't be used; the text names the account and the field that is wrong."""


def _check_instances(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        parse_instance(name)
    return names


def _check_digests(digests: tuple[str, ...]) -> tuple[str, ...]:
    if hash_key("").hex() in (one.lower() for one in digests):
        raise ValueError("it is the hash of an empty text, so the token was missing")
    return digests


_Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{64}$")]


class _Account(BaseModel):
    """An account as the file has it: the first instance is its default."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[ -~]+$")]
    sha256: Annotated[
        tuple[_Digest, ...], Field(min_length=1, max_length=16), AfterValidator(_check_digests)
    ]
    instances: Annotated[
        tuple[str, ...], Field(min_length=1, max_length=1000), AfterValidator(_check_instances)
    ]
    roles: Annotated[frozenset[Role], Field(min_length=1)] = frozenset({Role.USER})

    def to_caller(self) -> Caller:
        instances: tuple[Instance, ...] = tuple(map(parse_instance, self.instances))
        return Caller(self.name, instances, secret=self.name, roles=self.roles)


class _Accounts(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    accounts: Annotated[tuple[_Account, ...], Field(max_length=MAX_ACCOUNTS)]


class AccountsFile:
    """The accounts of one file, as it was when it could be used last."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: Sequence[KnownKey] | None = None
        self._seen: tuple[int, ...] = ()
        self._look_at = 0.0
        self._looking = asyncio.Lock()

    async def load(self) -> Sequence[KnownKey]:
        """Return the keys of all accounts; the file is looked at once a second.

        Raises:
            OSError, AccountsFileInvalid: it could not be used yet.
        """
        if time.monotonic() >= self._look_at and not self._looking.locked():
            async with self._looking:
                await self._look()
                self._look_at = time.monotonic() + LOOK_SECONDS
        return self._known or ()

    async def _look(self) -> None:
        """Read the file if it is another one than before."""
        try:
            found = await asyncio.to_thread(os.stat, self._path)
            # A Secret's file is a link, whose target has another inode after each change.
            seen = (found.st_mtime_ns, found.st_size, found.st_ino)
            if seen == self._seen:
                return
            self._seen = seen
            self._known = await asyncio.to_thread(read_accounts, self._path)
        except (OSError, AccountsFileInvalid) as error:
            if self._known is None:
                raise
            self._note_failure(error)
        else:
            logger.info("%s: %d accounts", self._path, len({key.caller for key in self._known}))

    def _note_failure(self, error: Exception) -> None:
        # Once for each file that can't be used: it is looked at every second.
        if isinstance(error, OSError):
            if self._seen == _GONE:
                return
            self._seen = _GONE
        logger.error("the accounts stay what they were: %s", error)


_GONE = (0,)
"""The state of a file that can't be read."""


def read_accounts(path: Path) -> list[KnownKey]:
    """Return the keys of the accounts that a file describes.

    Raises:
        OSError: it can't be read.
        AccountsFileInvalid: it holds something else.
    """
    with path.open("rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise AccountsFileInvalid(f"{path}: over {MAX_FILE_BYTES} bytes, which is the most")
    try:
        return parse_accounts(data)
    except ValueError as error:
        raise AccountsFileInvalid(f"{path}: {error}") from None


def parse_accounts(data: bytes) -> list[KnownKey]:
    """Return the keys of the accounts that a YAML text describes. Pure.

    Raises:
        ValueError: the text names the account and the field that is wrong, and repeats no value.
    """
    try:
        document = yaml.safe_load(data)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not YAML: {_place(error)}") from None
    try:
        accounts = _Accounts.model_validate(document).accounts
    except ValidationError as error:
        raise ValueError(_explain(error)) from None
    _check_unique("name", [account.name for account in accounts])
    _check_unique("sha256", [one.lower() for account in accounts for one in account.sha256])
    return [
        KnownKey(bytes.fromhex(digest), account.to_caller())
        for account in accounts
        for digest in account.sha256
    ]


def _place(error: Exception) -> str:
    """Return where YAML breaks off, without the lines of the file, which has hashes."""
    mark = getattr(error, "problem_mark", None)
    return f"line {mark.line + 1}" if mark else type(error).__name__


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"])) or "the file"
    return f"{place}: {first['msg'].removeprefix('Value error, ')}"


def _check_unique(field: str, values: list[str]) -> None:
    twice, times = Counter(values).most_common(1)[0] if values else ("", 1)
    if times > 1:
        named = f" {twice!r}" if field == "name" else ""
        raise ValueError(f"{field}:{named} is there twice, and tells no two accounts apart")
