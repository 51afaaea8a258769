"""The network that a request comes from: whom a bound counts before anybody is authenticated."""

import ipaddress

from starlette.requests import HTTPConnection

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def read_network(connection: HTTPConnection) -> str:
    """Return the network that a request comes from."""
    return find_network(read_peer(connection))


def read_peer(connection: HTTPConnection) -> str:
    """Return the address that a request comes from, as far as it can be known."""
    host = connection.client.host if connection.client else ""
    # A proxy may write a line of its own after that of its client.
    return choose_peer(host, ",".join(connection.headers.getlist("x-forwarded-for")))


def choose_peer(host: str, forwarded_for: str) -> str:
    """Return the address that a request counts for: the one that the last proxy saw, if any. Pure.

    Behind an ingress all people have the same host, and one would be in the way of the others. A
    proxy is near: who calls from a public address is believed nothing. Others that reach this
    server without a proxy can make addresses up, which bounds for all together hold.
    """
    near, seen = _read(host), _read(forwarded_for.rpartition(",")[2].strip())
    if near is None or near.is_global or seen is None:
        return host
    return str(seen)


def find_network(peer: str) -> str:
    """Return whom an address belongs to: with IPv6 a subscriber has a whole /64. Pure."""
    address = _read(peer)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return peer if address is None else str(address)


def _read(text: str) -> Address | None:
    """Return an address; one of IPv4 within IPv6 is one of IPv4. None where the text is none."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
