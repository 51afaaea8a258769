"""The caller of a request: an account, and the instance that it uses.

``auth`` finds it before any route and leaves it on the request's state; routes take it as
``CallerDep``, stores are shown only what it may see.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from qiskit_runtime.contract.resources.instance import (
    DEFAULT_INSTANCE,
    Instance,
    NotAnInstance,
    parse_instance,
)

CALLER = "caller"
"""The name of the request's state that holds the ``Caller``."""

_CRN_PARTS, _CRN_ID = 8, 7
"""The parts of a CRN that are needed, and the place of the one that tells instances apart."""


class Role(StrEnum):
    """A right of an account."""

    USER = "user"
    """To run jobs and programs in its instances, and to see those that are there."""
    VIEWER = "viewer"
    """To see them alone: requests that change something are refused."""
    ADMIN = "admin"
    """To use and to see every instance."""


class InstanceRefused(Exception):
    """The account may not use the instance that was named; the text says so."""


class ViewerRefused(Exception):
    """A viewer asked for what a look uses up; the text says so."""


@dataclass(frozen=True, slots=True)
class Caller:
    """An account that was authenticated.

    ``instances`` are those that it may use, its default first; None is every instance there is: a
    server without accounts (modes ``none`` and ``token``) has one tenant. ``secret`` is another
    text for each account: the ids of idempotency keys are made of it, so that each has its own.
    """

    name: str = ""
    instances: tuple[Instance, ...] | None = None
    secret: str = ""
    asked: Instance | None = None
    """The one instance that the request is for (``Service-CRN``); None where it names none."""
    roles: frozenset[Role] = frozenset({Role.USER})

    @property
    def instance(self) -> Instance:
        """Return the instance that the request is for."""
        if self.asked is not None:
            return self.asked
        return self.instances[0] if self.instances else DEFAULT_INSTANCE

    @property
    def is_only_tenant(self) -> bool:
        """Return whether this server has no accounts, and all that is there is the caller's."""
        return self.instances is None

    @property
    def is_admin(self) -> bool:
        """Return whether it may use every instance."""
        return Role.ADMIN in self.roles

    @property
    def may_change(self) -> bool:
        """Return whether it may do more than look."""
        return bool(self.roles & {Role.USER, Role.ADMIN})

    @property
    def visible(self) -> frozenset[Instance] | None:
        """Return the instances whose jobs and sessions this request shows; None is all."""
        if self.instances is None:
            return None
        if self.asked is not None:
            return frozenset({self.asked})
        return None if self.is_admin else frozenset(self.instances)

    def may_use(self, instance: Instance) -> bool:
        """Return whether the instance is one of the account's."""
        return self.instances is None or self.is_admin or instance in self.instances

    def sees(self, instance: Instance) -> bool:
        """Return whether this request shows what belongs to the instance."""
        return self.visible is None or instance in self.visible

    def covers(self, other: "Caller") -> bool:
        """Return whether it sees all that the other sees."""
        if self.visible is None:
            return True
        return other.visible is not None and other.visible <= self.visible

    def choose(self, text: str) -> "Caller":
        """Return the caller for the instance that a header names: by a CRN, or hub/group/project.

        Without accounts every CRN is accepted, and means the default instance.

        Raises:
            InstanceRefused: it is none of the account's.
        """
        if not text:
            return self
        found = self._find_crn(text) if text.startswith("crn:") else _read_name(text)
        if found is not None and self.may_use(found):
            return replace(self, asked=found)
        if self.instances is None:
            return self
        raise InstanceRefused(f"Service-CRN: {text[:200]!r} is no instance of this account")

    def for_one_instance(self) -> "Caller":
        """Return the caller for one instance alone: the one that was named, or its default."""
        return replace(self, asked=self.instance)

    def _find_crn(self, crn: str) -> Instance | None:
        wanted = crn.split(":")
        if len(wanted) < _CRN_PARTS:
            return None
        own = self.instances or (DEFAULT_INSTANCE,)
        return next((one for one in own if one.crn.split(":")[_CRN_ID] == wanted[_CRN_ID]), None)


def _read_name(name: str) -> Instance | None:
    try:
        return parse_instance(name)
    except NotAnInstance:
        return None


ANYBODY = Caller()
"""The caller of a server without accounts."""

NOBODY = Caller(instances=(), roles=frozenset())
"""The caller of a path that needs no credential: nothing that anybody has is there for it."""
