"""A job's parameters as the cluster keeps them: in Secrets, cut where one does not hold them.

The API writes them, the operator mounts them, and the API reads them back. Pure.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from qiskit_runtime.contract.resources.program import ProgramSource
from qiskit_runtime.contract.resources.resource import SECRET_BYTES, Manifest

PARAMS_KEY = "params.json"
"""The key of each such Secret."""

PROGRAM_KEY = "program"
"""With the source's suffix, the key of the first one where a job brings its program along."""


@dataclass(frozen=True, slots=True)
class ProgramFrom:
    """``spec.programFrom``: the Secret that holds a job's own program with its parameters."""

    secret_name: str
    key: str
    sha256: str
    size: int

    @classmethod
    def parse(cls, reference: Manifest) -> "ProgramFrom":
        """Parse the reference on a resource."""
        digest, size = reference.get("sha256", ""), reference.get("bytes", 0)
        return cls(reference["secretName"], reference["key"], digest, size)

    def build(self) -> Manifest:
        """Build the reference for a resource."""
        fields = {"secretName": self.secret_name, "key": self.key}
        return fields | {"sha256": self.sha256, "bytes": self.size}

    @classmethod
    def from_source(cls, secret_name: str, source: ProgramSource) -> "ProgramFrom":
        """Make the reference to a source that is about to be stored."""
        return cls(secret_name, PROGRAM_KEY + source.suffix, source.sha256, len(source.data))


class ParamsDamaged(ValueError):
    """The stored parameters are not the ones that were written; the text names the difference."""


@dataclass(frozen=True, slots=True)
class ParamsFrom:
    """``spec.paramsFrom``: the Secrets of the parameters. kubectl users may omit the rest."""

    secret_name: str
    sha256: str = ""
    size: int = 0

    @classmethod
    def parse(cls, reference: Manifest) -> "ParamsFrom":
        """Parse the reference on a resource."""
        digest, size = reference.get("sha256", ""), reference.get("bytes", 0)
        return cls(reference["secretName"], digest, size)

    def build(self) -> Manifest:
        """Build the reference for a resource."""
        return {"secretName": self.secret_name, "sha256": self.sha256, "bytes": self.size}

    @classmethod
    def from_bytes(cls, secret_name: str, params: bytes) -> "ParamsFrom":
        """Make the reference to parameters that are about to be stored."""
        return cls(secret_name, hashlib.sha256(params).hexdigest(), len(params))

    @property
    def secret_names(self) -> list[str]:
        """The Secrets that hold them, in order."""
        more = range(1, -(-self.size // SECRET_BYTES))
        return [self.secret_name, *(f"{self.secret_name}-{number}" for number in more)]

    def split(self, params: bytes) -> dict[str, bytes]:
        """Each Secret's part, by its name."""
        starts = range(0, max(len(params), 1), SECRET_BYTES)
        parts = (params[start : start + SECRET_BYTES] for start in starts)
        return dict(zip(self.secret_names, parts, strict=True))

    def join(self, parts: Iterable[bytes]) -> str:
        """Return the parameters, put together from their parts.

        Raises:
            ParamsDamaged: they are not the ones that this refers to, or no text.
        """
        params = b"".join(parts)
        if self.sha256 and hashlib.sha256(params).hexdigest() != self.sha256:
            raise ParamsDamaged("params: their SHA-256 does not match paramsFrom.sha256")
        try:
            return params.decode()
        except UnicodeDecodeError as error:
            raise ParamsDamaged(f"params: not UTF-8: {error}") from error
