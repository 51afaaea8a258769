"""The owner of the other end of a connection within this machine, by Linux's kernel.

Every user of a machine reaches its loopback addresses. The kernel knows the owner of each socket,
and reports it over netlink (sock_diag(7)). That takes 30 us; ``/proc/net/tcp`` has the same facts,
but takes 20 ms on a machine with much memory.
"""

import os
import socket
import struct

PEER = "peer"
"""The key of a connection's ``Peer`` in the state of its requests' scopes."""

Address = tuple[str, int]

# From linux/netlink.h, sock_diag.h and inet_diag.h: names that Python's socket module lacks.
_SOCK_DIAG = 4
_BY_FAMILY, _REQUEST = 20, 1
_ERROR = 2
_ANY_COOKIE = 0xFFFFFFFF
_HEADER = struct.Struct("=IHHII")
_QUESTION = struct.Struct("=BBBxI")
_ENDS = struct.Struct("!HH16s16s")
_NO_INTERFACE = struct.pack("=III", 0, _ANY_COOKIE, _ANY_COOKIE)
_ANSWER = struct.Struct("=68s3I2I")
"""The header and the socket's ends, three counters, and then user and inode."""


class Peer:
    """The other end of one connection, by the addresses of its two ends."""

    def __init__(self, client: Address | None, server: tuple[str, int | None] | None) -> None:
        self._client, self._server = client, server
        self._is_trusted: bool | None = None

    @property
    def is_trusted(self) -> bool:
        """Return whether it is a process of this server's user, or of root. Looked up once."""
        if self._is_trusted is None:
            self._is_trusted = self._look_up()
        return self._is_trusted

    def _look_up(self) -> bool:
        if self._client is None or self._server is None or self._server[1] is None:
            return False
        server = (self._server[0], self._server[1])
        trusted = (0, os.geteuid())
        # Twice: a socket that closes while the kernel reads its user and inode may seem root's.
        return all(find_uid(self._client, server) in trusted for _ in range(2))


def can_identify() -> bool:
    """Return whether this system reports a connection's owner: tried with one of this process."""
    try:
        with (
            socket.create_server(("127.0.0.1", 0)) as listener,
            socket.create_connection(listener.getsockname()) as client,
        ):
            return find_uid(client.getsockname(), client.getpeername()) == os.geteuid()
    except OSError:
        return False


def find_uid(local: Address, remote: Address) -> int | None:
    """Return the user id of the socket at ``local`` that is connected to ``remote``, or None.

    A socket that its process has closed stays for a while, and older kernels report it as root's:
    it has no inode any more, so it has no owner here.
    """
    try:
        answer = _ask(_encode(local), _encode(remote))
    except (OSError, AttributeError):
        # AttributeError: no netlink, as on systems other than Linux.
        return None
    if len(answer) < _ANSWER.size or _HEADER.unpack_from(answer)[1] == _ERROR:
        return None
    *_, uid, inode = _ANSWER.unpack_from(answer)
    return int(uid) if inode else None


def _ask(local: tuple[int, bytes, int], remote: tuple[int, bytes, int]) -> bytes:
    family, host, port = local
    ends = _ENDS.pack(port, remote[2], host, remote[1]) + _NO_INTERFACE
    question = _QUESTION.pack(family, socket.IPPROTO_TCP, 0, 0xFFFFFFFF) + ends
    header = _HEADER.pack(_HEADER.size + len(question), _BY_FAMILY, _REQUEST, 0, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as kernel:
        kernel.settimeout(1)
        kernel.send(header + question)
        return kernel.recv(4096)


def _encode(address: Address) -> tuple[int, bytes, int]:
    """Return family, bytes and port. An IPv4 address within an IPv6 socket counts as IPv4."""
    host = address[0].partition("%")[0].removeprefix("::ffff:")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return family, socket.inet_pton(family, host), address[1]
