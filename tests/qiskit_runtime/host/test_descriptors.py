"""Writes to descriptors, and what waits in them."""

import os
import threading

from qiskit_runtime.host.descriptors import readable_bytes, write_all


def test_all_is_written_in_as_many_pieces_as_it_takes():
    """A pipe takes a part where it is interrupted, or as its reader makes room."""
    reader, writer = os.pipe()
    data, got = os.urandom(1 << 20), bytearray()

    def read():
        while part := os.read(reader, 1000):
            got.extend(part)

    reading = threading.Thread(target=read)
    reading.start()
    write_all(writer, data)
    os.close(writer)
    reading.join(10)
    os.close(reader)
    assert got == data


def test_write_that_takes_a_part_goes_on_after_it(monkeypatch):
    """No byte is left out, and none is written twice."""
    written = []

    def write_three(_descriptor, data):
        written.append(bytes(data[:3]))
        return len(written[-1])

    monkeypatch.setattr(os, "write", write_three)
    write_all(1, b"0123456789")
    write_all(1, b"")
    assert written == [b"012", b"345", b"678", b"9"]


def test_bytes_that_wait_are_counted():
    """Those in a pipe, until they are read."""
    reader, writer = os.pipe()
    os.write(writer, b"abc")
    assert readable_bytes(reader) == 3
    os.read(reader, 2)
    assert readable_bytes(reader) == 1
    os.close(reader)
    os.close(writer)
