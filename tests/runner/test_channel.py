"""The channel: packets come back whole, and no program makes its supervisor wait."""

import json
import os
import socket
import threading

import pytest

from qiskit_runtime.contract.wire.record_form import MAX_MESSAGE_BYTES
from runner.channel import (
    ChannelBroken,
    Kind,
    PacketReader,
    SupervisorEnd,
    pack,
    read_fields,
    receive,
)


@pytest.fixture
def ends():
    """The supervisor's end, and the program's socket."""
    ours, theirs = socket.socketpair()
    yield SupervisorEnd(ours.fileno()), theirs
    ours.close()
    theirs.close()


def test_packets_cut_anywhere_come_back_whole():
    """Packets are found whatever the pieces they arrive in."""
    data = pack(Kind.INTERIM, b"abc") + pack(Kind.FINAL, b"") + pack(Kind.ERROR, b"{}")
    for size in range(1, len(data)):
        reader = PacketReader()
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        assert [packet for piece in pieces for packet in reader.feed(piece)] == [
            (Kind.INTERIM, b"abc"),
            (Kind.FINAL, b""),
            (Kind.ERROR, b"{}"),
        ]
    with pytest.raises(ChannelBroken):
        list(PacketReader().feed(b"?0000"))


def test_packet_over_the_limit_is_refused_by_its_header():
    """A length over the limit is an error before any of the packet is held."""
    header = Kind.INTERIM.value + (MAX_MESSAGE_BYTES + 1).to_bytes(4, "big")
    with pytest.raises(ChannelBroken, match=str(MAX_MESSAGE_BYTES + 1)):
        list(PacketReader().feed(header))


def test_half_a_packet_does_not_make_the_supervisor_wait(ends):
    """The half that has arrived is kept, and the packet is whole when the rest is there."""
    end, program = ends
    packet = pack(Kind.INTERIM, b"1234")
    assert list(end.receive()) == [] and end.is_open
    program.sendall(packet[:6])
    assert list(end.receive()) == [] and end.is_open
    program.sendall(packet[6:] + pack(Kind.FINAL))
    assert list(end.receive()) == [(Kind.INTERIM, b"1234"), (Kind.FINAL, b"")]


def test_job_is_sent_in_as_many_pieces_as_it_takes(ends):
    """A job larger than the socket's buffer is sent while the program reads it."""
    end, program = ends
    job = os.urandom(5_000_000)
    end.send(pack(Kind.JOB, job))
    got = []
    reader = threading.Thread(target=lambda: got.append(receive(program.fileno())))
    end.send_rest()
    assert end.has_unsent
    end.send_rest()  # the buffer is full: it returns at once
    reader.start()
    while end.has_unsent:
        end.send_rest()
    reader.join()
    assert got == [(Kind.JOB, job)]
    end.send_rest()  # nothing is left to send


def test_job_for_a_program_that_ended_is_dropped(ends):
    """A program that ended before it had read its job leaves nothing to be sent."""
    end, program = ends
    program.close()
    end.send(pack(Kind.JOB, b"{}"))
    end.send_rest()
    assert not end.has_unsent
    assert list(end.receive()) == [] and not end.is_open


def test_closed_channel_with_unread_bytes_is_not_open(ends):
    """A program that ends with an answer unread resets the connection, which is an end too."""
    end, program = ends
    end.answer(pack(Kind.ACCEPTED))
    program.close()
    assert list(end.receive()) == [] and not end.is_open


def test_answers_that_nobody_reads_are_dropped(ends):
    """A program that publishes and never waits for an answer does not block its supervisor."""
    end, _ = ends
    for _ in range(100_000):
        end.answer(pack(Kind.ACCEPTED))
    assert not end.has_unsent


def test_program_whose_supervisor_ended_gets_an_error():
    """A channel without its supervisor is broken, also in the middle of a packet."""
    ours, program = socket.socketpair()
    with ours:
        SupervisorEnd(ours.fileno()).answer(pack(Kind.REFUSED, b"too large")[:7])
    with program, pytest.raises(ChannelBroken, match="went away"):
        receive(program.fileno())


@pytest.mark.parametrize(
    "payload", [b"", b"{", b"[]", b"[" * 100_000, b'{"a": 1}', b'{"a": "\\ud800"}']
)
def test_payload_that_is_no_object_of_strings_is_refused(payload):
    """Fields are read whole or not at all."""
    with pytest.raises(ChannelBroken, match="not JSON|not an object of strings"):
        read_fields(payload)
    assert read_fields(json.dumps({"a": "é"}).encode()) == {"a": "é"}
