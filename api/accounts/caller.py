"""The caller of a request: an account, and the instance that it uses.

``auth`` finds it before any route and leaves it on the request's state; routes take it as
``CallerDep``, stores are shown only what it may see.
"""

from dataclasses import dataclass

from qiskit_runtime.contract.resources.instance import DEFAULT_INSTANCE, Instance

CALLER = "caller"
"""The name of the request's state that holds the ``Caller``."""


@dataclass(frozen=True, slots=True)
class Caller:
    """An account that was authenticated.

    ``instances`` are those that it may use, its default first; None is every instance there is: a
    server without accounts (modes ``none`` and ``token``) has one tenant. ``secret`` is known to
    this account alone: an idempotency key is its own.
    """

    name: str = ""
    instances: tuple[Instance, ...] | None = None
    secret: str = ""
    asked: Instance | None = None
    """The instance that the request names in ``Service-CRN``; None where it names none."""

    @property
    def instance(self) -> Instance:
        """Return the instance that the request is for."""
        if self.asked is not None:
            return self.asked
        return self.instances[0] if self.instances else DEFAULT_INSTANCE

    def may_use(self, instance: Instance) -> bool:
        """Return whether the instance is one of the account's."""
        return self.instances is None or instance in self.instances


ANYBODY = Caller()
"""The caller where no layer of authentication was asked, as in some tests."""
