"""The end of a program process: what a program sees of it is as in Python's own end."""

import bz2
import gzip
import lzma
import shelve
import subprocess
import sys
import tarfile
import textwrap
import wave
import zipfile
import zlib
from dbm import dumb

import pytest

from qiskit_runtime.contract.wire.verdict import Outcome
from tests.runner.births import BOTH_BIRTHS, make_environment


@BOTH_BIRTHS
def test_end_of_the_process_is_as_python_s(run_program, console):
    """Threads are waited for, ``atexit`` is called, and buffers of Python and C are written."""
    events, verdict, _ = run_program("""
        import atexit, ctypes, threading, time

        def late():
            time.sleep(0.3)
            print("a thread")

        def main(backend, messenger):
            ctypes.CDLL(None).printf(b"C's own buffer\\n")
            atexit.register(print, "the end")
            threading.Thread(target=late).start()
            return 1
    """)
    lines = console(events).splitlines()
    # C writes at once where Python was told not to buffer.
    assert [line for line in lines if line != b"C's own buffer"] == [b"a thread", b"the end"]
    assert len(lines) == 3
    assert (verdict.outcome, verdict.exit_code) == (Outcome.SUCCEEDED, 0)


ENDING = """
    import atexit, sys, threading, time

    class Late:
        def __del__(self):
            print("taken apart")

    held = Late()

    def late():
        time.sleep(0.2)
        print("a thread")

    def main(backend, messenger):
        atexit.register(print, "the end")
        threading.Thread(target=late).start()
        print("begun", end="")
        {ending}
"""


@pytest.mark.parametrize("ending", ["return 1", "sys.exit()", "raise SystemExit"])
@BOTH_BIRTHS
def test_there_is_one_end_however_a_program_comes_to_it(ending, run_program, console):
    """A program that exits by itself ends as one that returns, and pays for nothing more."""
    events, verdict, _ = run_program(ENDING.format(ending=ending))
    assert console(events) == b"beguna thread\nthe end\n"
    assert (verdict.outcome, verdict.exit_code) == (Outcome.SUCCEEDED, 0)


def test_program_without_its_streams_ends_well(run_program, console):
    """Neither one that is gone, nor one that fails, is the job's end; the console is written."""
    events, verdict, _ = run_program("""
        import sys
        class Odd:
            def flush(self):
                raise SystemExit(9)
        def main(backend, messenger):
            print("kept", end="")
            del sys.stderr
            sys.stdout = Odd()
    """)
    assert console(events) == b"kept"
    assert (verdict.outcome, verdict.exit_code) == (Outcome.SUCCEEDED, 0)


CODES = [
    *("", "None", "0", "3", "True", "-1", "263", "2**31 + 5", "2**63", "-2**63", "-2**70"),
    *("'no data'", "1.5", "('a', 2)", "object"),
]


@pytest.mark.parametrize("code", CODES)
def test_exit_code_is_python_s(code, run_program, console):
    """Numbers, large ones too, nothing, and texts, which are printed before all that ends."""
    source = f"import atexit, sys\natexit.register(print, 'the end')\nsys.exit({code})\n"
    stock = subprocess.run(
        [sys.executable, "-c", source], env=make_environment(), capture_output=True, check=False
    )
    events, verdict, _ = run_program(f"""
        import atexit, sys
        def main(backend, messenger):
            atexit.register(print, "the end")
            sys.exit({code})
    """)
    assert verdict.exit_code == stock.returncode
    assert console(events) == stock.stderr + stock.stdout


@BOTH_BIRTHS
def test_files_that_a_program_leaves_open_are_written(run_program, tmp_path):
    """As Python's end does it, whatever holds them: a module, a list, an object."""
    _, verdict, _ = run_program(f"""
        from pathlib import Path

        folder = Path({str(tmp_path)!r})
        rows = open(folder / "rows", "a")
        log = [open(folder / "log", "wb")]

        class Holder:
            file = open(folder / "both", "w+b")

        def main(backend, messenger):
            rows.write("1,2")
            log[0].write(b"begun")
            Holder.file.write(b"kept")
            return 1
    """)
    assert verdict.outcome is Outcome.SUCCEEDED
    written = {path.name: path.read_text() for path in tmp_path.iterdir() if path.is_file()}
    assert {"rows": "1,2", "log": "begun", "both": "kept"}.items() <= written.items()


LEFT_OPEN = """
    import bz2, gc, gzip, io, lzma, os, sys, tarfile, wave, zipfile
    from dbm import dumb
    from shelve import Shelf

    os.chdir({folder!r})
    texts = [gzip.open("text.gz", "wt"), bz2.open("text.bz2", "wt"), lzma.open("text.xz", "wt")]
    inner = open("inner.gz", "wb")
    outer = gzip.GzipFile(fileobj=inner, mode="wb")
    twice = [gzip.open("twice.gz", "wb")]
    twice.append(gzip.GzipFile(fileobj=twice[0], mode="wb"))
    wide = io.BufferedWriter(bz2.open("wide.bz2", "wb"))
    archive = zipfile.ZipFile("archive.zip", "w")
    member = io.TextIOWrapper(archive.open("member", "w"))
    stream = tarfile.open("stream.tar.gz", "w|gz")
    shelf = Shelf(dumb.open("shelf", "n"), writeback=True)
    sound = wave.open("sound.wav", "wb")

    class Own(gzip.GzipFile):
        pass

    class Late(io.RawIOBase):
        held = b""

        def writable(self):
            return True

        def write(self, data):
            self.held += bytes(data)
            return len(data)

        def close(self):
            if not self.closed:
                with open("late", "wb") as file:
                    file.write(self.held)
            super().close()

    class Bad(io.RawIOBase):
        def close(self):
            raise SystemExit(9)

    class Worse(io.RawIOBase):
        @property
        def close(self):
            raise AttributeError("close")

    own, late, bad, worse = Own("own.gz", "wb"), io.BufferedWriter(Late()), Bad(), Worse()

    def main(backend=None, messenger=None):
        for text in texts:
            text.write("kept")
        for one in (outer, wide, own, late, twice[1]):
            one.write(b"kept")
        member.write("kept")
        stream.add(__file__, "program")
        shelf["list"] = []
        shelf["list"].append("kept")
        sound.setparams((1, 1, 8000, 0, "NONE", ""))
        sound.writeframesraw(b"kept")
        if {collects}:
            # Python's collector keeps no order.
            for _ in range(3):
                gc.collect()
"""


def read_left_open(folder):
    """The contents of the files of ``LEFT_OPEN``, each read to its end."""
    with zipfile.ZipFile(folder / "archive.zip") as archive:
        member = archive.read("member")
    with tarfile.open(folder / "stream.tar.gz", "r|gz") as stream:
        names = stream.getnames()
    with shelve.Shelf(dumb.open(str(folder / "shelf"), "r")) as shelf:
        listed = shelf["list"]
    with wave.open(str(folder / "sound.wav")) as sound:
        frames = sound.readframes(9)
    return {
        "text.gz": gzip.decompress((folder / "text.gz").read_bytes()),
        "text.bz2": bz2.decompress((folder / "text.bz2").read_bytes()),
        "text.xz": lzma.decompress((folder / "text.xz").read_bytes()),
        "inner": gzip.decompress((folder / "inner.gz").read_bytes()),
        "wide": bz2.decompress((folder / "wide.bz2").read_bytes()),
        "own": gzip.decompress((folder / "own.gz").read_bytes()),
        "twice": gzip.decompress(gzip.decompress((folder / "twice.gz").read_bytes())),
        "late": (folder / "late").read_bytes(),
        "member": member,
        "names": names,
        "listed": listed,
        "frames": frames,
    }


@pytest.mark.parametrize(("ending", "collects"), [("", False), ("sys.exit()", False), ("", True)])
@BOTH_BIRTHS
def test_files_that_end_with_more_than_a_buffer_are_whole(
    ending, collects, run_program, tmp_path, console
):
    """Trailers, directories and headers are written too, of those first that write to others."""
    source = textwrap.dedent(LEFT_OPEN.format(folder=str(tmp_path), collects=collects))
    source += f"    {ending}\n"
    events, verdict, _ = run_program(source)
    assert (verdict.outcome, verdict.exit_code) == (Outcome.SUCCEEDED, 0)
    assert console(events) == b""
    found = read_left_open(tmp_path)
    assert (found.pop("names"), found.pop("listed")) == (["program"], ["kept"])
    assert set(found.values()) == {b"kept"} and len(found) == 10


@BOTH_BIRTHS
def test_daemon_thread_says_nothing_of_files_that_are_closed(run_program, console, tmp_path):
    """Python stops such threads at its end; ours go on for a moment."""
    events, verdict, _ = run_program(f"""
        import gzip, threading
        packed = gzip.open({str(tmp_path / "packed.gz")!r}, "wb")
        begun = threading.Event()

        def write():
            while True:
                packed.write(b"more")
                begun.set()

        def main(backend, messenger):
            threading.Thread(target=write, daemon=True).start()
            begun.wait()
    """)
    assert (verdict.outcome, console(events)) == (Outcome.SUCCEEDED, b"")
    # What the thread writes while its file is closed may spoil the end of that, not the rest.
    packed = (tmp_path / "packed.gz").read_bytes()
    assert zlib.decompressobj(wbits=31).decompress(packed, 8) == b"moremore"
