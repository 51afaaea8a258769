"""The operator's side of a hand-over: what it makes of those who listen at a pod's address."""

import pytest

from controller import handover as handover_module
from controller.handover import (
    HandoverFailed,
    NotReached,
    PortClosed,
    Silent,
    open_handover,
)
from qiskit_runtime.contract.wire.handover import NONCE_BYTES
from tests.operator.warm_pods import FarAway, Stranger, WaitingPod

pytestmark = pytest.mark.anyio

TOKEN = b"t" * NONCE_BYTES


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    """Those who do not answer are waited for as long as a test may take."""
    monkeypatch.setattr(handover_module, "CONNECT_SECONDS", 0.3)
    monkeypatch.setattr(handover_module, "PROOF_SECONDS", 0.3)


async def fail(listener):
    """Open a hand-over to it; returns the failure."""
    try:
        with pytest.raises(HandoverFailed) as failed:
            async with open_handover(listener.address, TOKEN):
                pass
        return failed.type
    finally:
        listener.close()


async def test_pod_is_known_by_its_proof_and_takes_the_input():
    """Nothing is given before."""
    pod = WaitingPod(TOKEN)
    async with open_handover(pod.address, TOKEN) as handover:
        assert pod.files is None
        await handover.give({"a": b"1"})
    assert pod.files == {"a": b"1"}
    assert await fail(pod) is PortClosed


async def test_pod_that_can_not_be_reached():
    """The packets of no connection come through: it may be the network."""
    assert await fail(FarAway()) is NotReached


async def test_host_that_can_not_be_reached(monkeypatch):
    """The network says so itself."""

    async def refuse(*_):
        raise OSError(113, "No route to host")

    monkeypatch.setattr(handover_module.asyncio, "open_connection", refuse)
    with pytest.raises(NotReached, match="No route"):
        async with open_handover("10.0.0.1", TOKEN):
            pass


async def test_port_that_closes_while_it_is_connected_to(monkeypatch):
    """The pod's machine has answered: the network is in order."""

    async def reset(*_):
        raise ConnectionResetError

    monkeypatch.setattr(handover_module.asyncio, "open_connection", reset)
    with pytest.raises(HandoverFailed) as failed:
        async with open_handover("10.0.0.1", TOKEN):
            pass
    assert failed.type is HandoverFailed


async def test_process_that_says_nothing():
    """Not known by its silence alone: it cost time."""
    assert await fail(Stranger(None)) is Silent


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n", b"x" * NONCE_BYTES])
async def test_process_that_answers_otherwise(answer):
    """It closes the connection, as a pod with another token does, or answers with no proof."""
    assert await fail(Stranger(answer)) is HandoverFailed


async def test_hello_that_is_sent_back_is_no_proof():
    """The operator's own proof is not the pod's."""
    assert await fail(Stranger("the proof")) is HandoverFailed
