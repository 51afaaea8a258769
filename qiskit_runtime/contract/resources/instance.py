"""An instance: what jobs, sessions and uploaded programs belong to, named hub/group/project.

The official client names it by a Cloud Resource Name (CRN) in the header ``Service-CRN``; the 2021
dialect by three fields of a job. Pure.
"""

import hashlib
import re
import uuid
from dataclasses import dataclass

from qiskit_runtime.contract.limits import MAX_LABEL_CHARACTERS
from qiskit_runtime.contract.resources.resource import GROUP

_CRN = "crn:v1:bluemix:public:quantum-computing:{region}:a/local:{id}::"
REGION = "us-east"
"""The region of every CRN: the official client makes its default address of this one."""

_PART = re.compile(rf"[A-Za-z0-9_.-]{{1,{MAX_LABEL_CHARACTERS}}}")
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_IDS = uuid.uuid5(uuid.NAMESPACE_DNS, f"instances.{GROUP}")


class NotAnInstance(ValueError):
    """The text is no hub/group/project; it says what is wrong with it."""


@dataclass(frozen=True, slots=True, order=True)
class Instance:
    """A tenant. Two of the same name are the same."""

    hub: str = ""
    group: str = ""
    project: str = ""

    @property
    def name(self) -> str:
        """Return hub/group/project."""
        return f"{self.hub}/{self.group}/{self.project}"

    @property
    def label(self) -> str:
        """Return its name as the value of a label of Kubernetes; empty for that of no name.

        A name that a label can't hold as it is, or that could be read in two ways, ends with a
        part of its hash.
        """
        plain = f"{self.hub}.{self.group}.{self.project}"
        if plain.count(".") == 2 and _LABEL.fullmatch(plain):
            return plain
        if not plain.strip("."):
            return ""
        digest = hashlib.sha256(self.name.encode(errors="replace")).hexdigest()[:8]
        safe = re.sub(r"[^A-Za-z0-9_.-]", "_", plain)[: 63 - len(digest) - 1].strip("_.-")
        return f"{safe}-{digest}".lstrip("-")

    @property
    def crn(self) -> str:
        """Return its Cloud Resource Name, which follows from its name."""
        return _CRN.format(region=REGION, id=uuid.uuid5(_IDS, self.name))


DEFAULT_INSTANCE = Instance("ibm-q", "open", "main")
"""The instance of a server without accounts: the one that everybody had in 2021."""


def parse_instance(text: str) -> Instance:
    """Return the instance of a name.

    Raises:
        NotAnInstance: it is not made of three parts of letters, digits, ``_``, ``.`` and ``-``.
    """
    parts = text.split("/")
    if len(parts) != 3 or not all(_PART.fullmatch(part) for part in parts):
        raise NotAnInstance(
            f"{text[:100]!r} is no instance: hub/group/project, each of letters, digits and _.-"
            f" and at most {MAX_LABEL_CHARACTERS} long"
        )
    return Instance(*parts)
