"""The pauses between attempts."""

from qiskit_runtime.host.backoff import Backoff


def test_pauses_double_up_to_the_longest():
    """Each pause is half to the whole of twice the one before, never over the longest."""
    backoff = Backoff(first=0.25, longest=2)
    wholes = [0.25, 0.5, 1, 2, 2, 2]
    for whole in wholes:
        assert whole / 2 <= backoff.next_seconds() <= whole
    assert backoff.failures == len(wholes)


def test_a_success_begins_again():
    """After a success the first pause is the first again."""
    backoff = Backoff(first=1, longest=60)
    for _ in range(5):
        backoff.next_seconds()
    backoff.reset()
    assert backoff.next_seconds() <= 1


def test_many_failures_do_not_overflow():
    """Ten thousand failures in a row still give the longest pause."""
    backoff = Backoff(first=0.1, longest=10, failures=10_000)
    assert 5 <= backoff.next_seconds() <= 10
