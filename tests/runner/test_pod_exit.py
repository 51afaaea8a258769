"""The end of a runner in its pod, on real pipes. The end-to-end tests try it on real pods."""

import os
import threading
import time

import pytest

import runner.__main__ as runner_main
from qiskit_runtime.host import descriptors


@pytest.fixture
def termination_log(monkeypatch, tmp_path):
    """Be PID 1 of a pod whose program has left words of its own."""
    log = tmp_path / "termination-log"
    log.write_text("forged" * 1000)
    monkeypatch.setattr(runner_main, "TERMINATION_LOG", log)
    monkeypatch.setattr(os, "getpid", lambda: 1)
    monkeypatch.setattr(runner_main, "wait_until_read", lambda pipe: None)
    return log


def test_last_words_replace_what_the_program_wrote(termination_log):
    """The termination message is the verdict alone, at most 4096 bytes of it."""
    runner_main.leave_pod('{"outcome":"Succeeded"}')
    assert termination_log.read_text() == '{"outcome":"Succeeded"}'
    runner_main.leave_pod("x" * 5000)
    assert termination_log.read_text() == "x" * 4096


def test_pod_without_a_termination_log_ends_all_the_same(termination_log, monkeypatch):
    """A file that can't be written costs the words, never the end."""
    monkeypatch.setattr(runner_main, "TERMINATION_LOG", termination_log / "no" / "folder")
    runner_main.leave_pod("words")


def test_other_than_pid_1_leaves_no_words_and_does_not_wait(termination_log, monkeypatch):
    """On a user's machine nothing is written anywhere."""
    monkeypatch.setattr(os, "getpid", lambda: 2)
    runner_main.leave_pod("words")
    assert termination_log.read_text().startswith("forged")


def test_runner_waits_until_its_record_was_read():
    """While anything is in the pipe it stays; once that is read, a moment longer."""
    reader, writer = os.pipe()
    os.write(writer, b"the last line\n")
    begun = time.monotonic()
    read_at = []

    def read_late():
        time.sleep(0.5)
        os.read(reader, 100)
        read_at.append(time.monotonic())

    thread = threading.Thread(target=read_late)
    thread.start()
    descriptors.wait_until_read(writer)
    ended = time.monotonic()
    thread.join()
    assert read_at[0] - begun >= 0.5 and ended - read_at[0] >= descriptors.LINGER_SECONDS
    os.close(reader)
    os.close(writer)
