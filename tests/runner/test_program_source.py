"""Programs that come as archives: what is taken, what is refused, and what a failure shows."""

import bz2
import gzip
import io
import lzma
import tarfile
import time
import tracemalloc

import pytest

from qiskit_runtime.contract.wire.events import Message
from qiskit_runtime.contract.wire.verdict import Outcome
from runner.program_source import (
    MAX_ARCHIVE_BYTES,
    MAX_MEMBERS,
    MAX_UNPACKED_BYTES,
    BadArchive,
    locate,
)

MAIN = "def main(backend, messenger):\n    return 'main'\n"


def member(name, **fields):
    """A member's header."""
    info = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def pack(files, members=(), form=tarfile.PAX_FORMAT):
    """An archive of files by name, then of other members."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=form) as tar:
        for name, text in files.items():
            tar.addfile(member(name, size=len(text.encode())), io.BytesIO(text.encode()))
        for info in members:
            tar.addfile(info)
    return data.getvalue()


@pytest.fixture
def archive(tmp_path):
    """Write an archive as a program's file; returns its path."""

    def write(data):
        path = tmp_path / "mine.tar"
        path.write_bytes(data)
        return path

    return write


@pytest.fixture
def run_archive(start_run, archive):
    """Run an archive to its end; returns its final result, its verdict and what it printed."""

    def run(data):
        runner = start_run()
        runner.start_job(archive(data))
        events, verdict, _ = runner.finish()
        texts = [event.text for event in events if isinstance(event, Message)]
        return texts[-1] if texts else None, verdict, runner.record.decode()

    return run


@pytest.fixture
def entry(archive, tmp_path):
    """The entry file of an archive, below its folder."""

    def find(data):
        scratch = tmp_path / "source"
        return locate(str(archive(data)), scratch).relative_to(scratch).as_posix()

    return find


PACKAGE = {
    "pack/__init__.py": "from .inner import VALUE\nfrom .main import main\n",
    "pack/inner.py": "VALUE = 'relative'\n",
    "pack/main.py": "from . import VALUE\nfrom pack.deep.er import add\n"
    "def main(backend, messenger):\n    return add(VALUE)\n",
    "pack/deep/__init__.py": "",
    "pack/deep/er.py": "def add(text):\n    return text + '!'\n",
}
BESIDE = {
    "main.py": "import helper\nimport lib.part\nfrom pathlib import Path\n"
    "def main(backend, messenger):\n"
    "    import late\n"
    "    return helper.VALUE + lib.part.VALUE + late.VALUE"
    " + Path(__file__).with_name('data.txt').read_text()\n",
    "helper.py": "VALUE = 'a'\n",
    "lib/__init__.py": "",
    "lib/part.py": "VALUE = 'b'\n",
    "late.py": "VALUE = 'c'\n",
    "data.txt": "d",
}


@pytest.mark.parametrize(
    ("files", "compress", "result"),
    [
        (BESIDE, gzip.compress, '"abcd"'),
        (PACKAGE, lzma.compress, '"relative!"'),
        ({f"around/{name}": text for name, text in BESIDE.items()}, bytes, '"abcd"'),
    ],
)
def test_archive_runs(files, compress, result, run_archive):
    """The archive's main is found, and modules in the same folder or package can be imported."""
    text, verdict, record = run_archive(compress(pack(files)))
    assert (text, verdict.outcome) == (result, Outcome.SUCCEEDED), record


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_any_usual_form_is_read(compress, form, entry):
    """Plain or compressed, and in each of tar's forms, also with long and accented names."""
    files = {"main.py": MAIN, "d" * 80 + "/" + "f" * 90 + ".py": "x = 1\n", "é.py": ""}
    assert entry(compress(pack(files, form=form))) == "main.py"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["main.py", "other.py", "pack/__init__.py"], "main.py"),
        (["only.py", "data/x.txt"], "only.py"),
        (["pack/__init__.py", "README.md", "tests/test_x.py"], "pack/__init__.py"),
        (["top/main.py", "top/b.py"], "top/main.py"),
        (["top/pack/__init__.py", "top/pyproject.toml"], "top/pack/__init__.py"),
        (["./main.py", "./._main.py", ".hidden/x.py"], "main.py"),
        (["pack/__init__.py", "pack/main.py"], "pack/__init__.py"),
    ],
)
def test_entry_is_the_one_that_a_person_would_take(names, expected, entry):
    """main.py at the top, else the only module, else the only package; one folder may be around."""
    assert entry(pack(dict.fromkeys(names, MAIN))) == expected


@pytest.mark.parametrize(
    "names",
    [
        ["a/__init__.py", "b/__init__.py"],
        ["a.py", "b.py"],
        ["README.md"],
        ["top/a/x.txt", "top/b/y.txt"],
        [],
    ],
)
def test_archive_whose_main_is_not_clear_says_where_it_belongs(names, entry):
    """Two packages, two modules or none: the text names main.py."""
    with pytest.raises(BadArchive, match=r"must be in a main\.py at its top"):
        entry(pack(dict.fromkeys(names, ""), [member("empty", type=tarfile.DIRTYPE)]))


HARMFUL = {
    "link out": member("link", type=tarfile.SYMTYPE, linkname="/etc"),
    "link up": member("link", type=tarfile.SYMTYPE, linkname="../../.."),
    "hard link out": member("link", type=tarfile.LNKTYPE, linkname="/etc/passwd"),
    "device": member("device", type=tarfile.CHRTYPE, devmajor=1, devminor=5),
    "pipe": member("pipe", type=tarfile.FIFOTYPE),
    "absolute path": member("/tmp/absolute.py"),
    "path up": member("pack/../../up.py"),
    "pax path with a zero byte": member("x", pax_headers={"path": "a\0b"}),
}


@pytest.mark.parametrize("name", HARMFUL)
def test_harmful_member_is_refused(name, entry, tmp_path):
    """Links, devices and names that lead out are refused, and nothing is written elsewhere."""
    with pytest.raises(BadArchive, match="the archive "):
        entry(pack({"main.py": MAIN}, [HARMFUL[name]]))
    assert {path.name for path in tmp_path.rglob("*")} <= {"mine.tar", "source", "main.py", "pack"}


def test_number_of_members_has_its_limit(entry):
    """As many as the limit are unpacked, and one more is refused by the limit's number."""
    files = {f"data/{number}": "" for number in range(MAX_MEMBERS - 1)}
    assert entry(pack({"main.py": MAIN} | files)) == "main.py"
    with pytest.raises(BadArchive, match=f"more than {MAX_MEMBERS} members"):
        entry(pack({"main.py": MAIN, "more": ""} | files))


def test_size_has_its_limit(entry):
    """As many bytes as the limit are unpacked, and one more is refused by the limit's number."""
    full = "x" * (MAX_UNPACKED_BYTES - len(MAIN))
    assert entry(gzip.compress(pack({"main.py": MAIN, "data": full}))) == "main.py"
    with pytest.raises(BadArchive, match=f"more than {MAX_UNPACKED_BYTES} bytes"):
        entry(gzip.compress(pack({"main.py": MAIN, "data": full + "x"})))


def bomb(beginning):
    """A header, and a gibibyte of zeros after it, in a few kilobytes."""
    return bz2.compress(beginning) + bz2.compress(bytes(1 << 24)) * 64


def header(size, **fields):
    """The header of a member of this size."""
    return member("main.py", size=size, **fields).tobuf(tarfile.GNU_FORMAT)


BOMBS = {
    "large file": header(1 << 30),
    "larger than it is": header(1 << 40),
    "header of a gibibyte": header(1 << 30, type=tarfile.XHDTYPE),
    "global header of a gibibyte": header(1 << 30, type=tarfile.XGLTYPE),
    "name of a gibibyte": header(1 << 30, type=tarfile.GNUTYPE_LONGNAME),
}


@pytest.mark.parametrize("name", BOMBS)
def test_small_archive_that_unpacks_to_gibibytes_is_refused_at_once(name, entry, tmp_path):
    """Files and headers over the limits cost neither time nor memory nor disk."""
    data = bomb(BOMBS[name])
    assert len(data) < 10_000
    tracemalloc.start()
    begin = time.monotonic()
    try:
        with pytest.raises(BadArchive, match="unpacks to more than"):
            entry(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert time.monotonic() - begin < 5 and peak < 4 * MAX_ARCHIVE_BYTES
    assert sum(path.stat().st_size for path in tmp_path.rglob("*")) < 1 << 20


def test_endless_headers_are_refused(entry):
    """Headers of headers, one for each kibibyte, end in no recursion that nobody catches."""
    one = header(512, type=tarfile.XGLTYPE) + b"13 comment=x\n".ljust(512, b"\0")
    with pytest.raises(BadArchive):
        entry(gzip.compress(one * 5000))


def damage():
    """Archives that are cut or wrong, in each form."""
    plain = pack({"main.py": MAIN, "data": "x" * 5000})
    for compress in (bytes, gzip.compress, bz2.compress, lzma.compress):
        whole = compress(plain)
        yield f"{compress.__module__} cut", whole[: len(whole) // 2]
        yield f"{compress.__module__} cut early", whole[:20]
        yield f"{compress.__module__} changed", whole[:60] + b"\xff\x00\xff\x00" + whole[64:]
    yield "no archive", b"def main(): pass"
    yield "nothing", b""
    yield "compressed text", gzip.compress(b"text")


@pytest.mark.parametrize(
    ("name", "data"), [pytest.param(name, data, id=name) for name, data in damage()]
)
def test_damaged_archive_is_refused(name, data, entry):
    """A cut or changed archive is a BadArchive that says so, whatever its form."""
    with pytest.raises(BadArchive, match="the archive"):
        entry(data)


def test_job_of_a_bad_archive_says_why(run_archive):
    """The job fails with the archive's flaw as its message, and no file of the runner's."""
    _, verdict, record = run_archive(pack({"a.py": "", "b.py": ""}))
    assert (verdict.outcome, verdict.reason) == (Outcome.FAILED, "ProgramError")
    assert verdict.message.startswith(
        "BadArchive: the archive's main function must be in a main.py"
    )
    assert record.count("  File ") == 1 and 'mine.tar", line 1, in <module>' in record


def test_failure_shows_the_user_s_own_line(run_archive):
    """Traceback and message name the file of the archive, the line and its text."""
    files = PACKAGE | {"pack/inner.py": "VALUE = [1]\n", "pack/deep/er.py": ERROR}
    _, verdict, record = run_archive(gzip.compress(pack(files)))
    assert verdict.message == (
        "JSONDecodeError: Expecting value: line 1 column 1 (char 0)"
        " (er.py, line 5: return json.loads('x')  # here)"
    )
    shown = [line.split(", ")[:2] for line in record.splitlines() if line.startswith("  File ")]
    ours = [(place.rpartition("/")[2], line) for place, line in shown if "/source/" in place]
    assert ours == [('main.py"', "line 4"), ('er.py"', "line 5")]
    assert "program_process" not in record and "program_source" not in record


ERROR = "import json\n\n\ndef add(values):\n    return json.loads('x')  # here\n"


def test_syntax_error_shows_file_line_and_text(run_archive):
    """A module that main imports is named like main itself."""
    _, verdict, record = run_archive(pack({"main.py": "import helper\n", "helper.py": "\nx = (\n"}))
    assert verdict.message.startswith("SyntaxError: '(' was never closed")
    assert verdict.message.endswith("(helper.py, line 2: x = ()")
    assert '/source/helper.py", line 2' in record and "    x = (" in record


def test_error_in_a_text_that_the_program_reads_shows_the_program_s_line(run_archive):
    """A SyntaxError of ast.literal_eval is one of the line that called it."""
    source = "import ast\ndef main(b, m):\n    ast.literal_eval('1 +')\n"
    _, verdict, _ = run_archive(pack({"main.py": source}))
    assert verdict.message.endswith("(main.py, line 3: ast.literal_eval('1 +'))")


def test_long_line_leaves_room_for_the_error(run_archive):
    """A line of thousands of characters is shortened, and the error is still in the message."""
    _, verdict, _ = run_archive(pack({"main.py": "x = (" + "1, " * 2000 + "\n"}))
    assert verdict.message.startswith("SyntaxError: '(' was never closed")
    assert "(main.py, line 1: " in verdict.message and len(verdict.message) < 400
