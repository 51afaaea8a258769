"""Bounds on failed logins, by a clock that the test moves."""

import pytest

from api.accounts.client_network import choose_peer
from api.browser.attempt_bounds import (
    ATTEMPTS_IN_ALL,
    ATTEMPTS_OF_A_PEER,
    REMEMBERED_PEERS,
    AttemptBounds,
    TooManyAttempts,
)


class Clock:
    """A clock that stands still until it is moved."""

    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    """The clock of the bounds."""
    return Clock()


@pytest.fixture
def bounds(clock):
    """Bounds with nothing taken."""
    return AttemptBounds(clock)


def fail(bounds, peer="192.0.2.1"):
    """Make an attempt that fails."""
    with pytest.raises(KeyError), bounds.attempt(peer):
        raise KeyError


def succeed(bounds, peer="192.0.2.1"):
    """Make an attempt that is right."""
    with bounds.attempt(peer):
        pass


def test_peer_has_ten_failures_then_one_every_six_seconds(bounds, clock):
    """The eleventh failure in a minute has to wait, for as long as the error says."""
    for _ in range(ATTEMPTS_OF_A_PEER):
        fail(bounds)
    with pytest.raises(TooManyAttempts) as refused:
        succeed(bounds)
    assert refused.value.seconds == 6
    assert "try again in 6 s" in str(refused.value)
    clock.now += 5.9
    with pytest.raises(TooManyAttempts) as refused:
        succeed(bounds)
    assert refused.value.seconds == 1
    clock.now += 0.2
    fail(bounds)
    with pytest.raises(TooManyAttempts):
        succeed(bounds)


def test_right_attempts_cost_nothing(bounds):
    """Somebody who knows the token may log in as often as they like."""
    for _ in range(5 * ATTEMPTS_IN_ALL):
        succeed(bounds)
    for _ in range(ATTEMPTS_OF_A_PEER):
        fail(bounds)


def test_attempts_under_way_are_counted(bounds):
    """Guesses that are made at once are bounded as those one after the other."""
    held = [bounds.attempt("192.0.2.1") for _ in range(ATTEMPTS_OF_A_PEER)]
    for one in held:
        one.__enter__()
    with pytest.raises(TooManyAttempts):
        succeed(bounds)
    for one in held:
        one.__exit__(None, None, None)
    succeed(bounds)


def test_peers_together_have_a_bound_of_their_own(bounds, clock):
    """Guesses from a thousand addresses are slowed down as well, and a pause ends it."""
    for number in range(ATTEMPTS_IN_ALL):
        fail(bounds, f"198.51.100.{number}")
    with pytest.raises(TooManyAttempts) as refused:
        succeed(bounds, "203.0.113.7")
    assert refused.value.seconds == 1
    clock.now += 60
    for number in range(ATTEMPTS_IN_ALL):
        fail(bounds, f"198.51.100.{number}")


def test_other_peers_are_not_in_the_way(bounds):
    """One peer's failures are not another's."""
    for _ in range(ATTEMPTS_OF_A_PEER):
        fail(bounds, "192.0.2.1")
    succeed(bounds, "192.0.2.2")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8::1", "2001:db8::ffff:1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", ""),
        ("no address", "no address"),
    ],
)
def test_addresses_of_one_subscriber_are_one_peer(bounds, one, other):
    """A /64 of IPv6 is one peer, and so is an IPv4 address in either form."""
    for _ in range(ATTEMPTS_OF_A_PEER):
        fail(bounds, one)
    with pytest.raises(TooManyAttempts):
        succeed(bounds, other)
    succeed(bounds, "2001:db8:0:1::1")


def test_memory_of_peers_is_bounded(bounds, clock):
    """Any number of addresses leaves as many behind as are remembered."""
    for number in range(REMEMBERED_PEERS + 10):
        succeed(bounds, f"peer {number}")
    assert len(bounds._peers) == REMEMBERED_PEERS


@pytest.mark.parametrize(
    ("forwarded_for", "peer"),
    [
        ("", "10.0.0.1"),
        ("192.0.2.1", "192.0.2.1"),
        ("198.51.100.9, 192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("unknown", "10.0.0.1"),
        ("192.0.2.1,", "10.0.0.1"),
        ("x" * 60_000, "10.0.0.1"),
    ],
)
def test_peer_is_the_one_that_the_last_proxy_saw(forwarded_for, peer):
    """An address that the client itself has named is not taken, nor a text that is none."""
    assert choose_peer("10.0.0.1", forwarded_for) == peer
