"""The form of a record: one job's append-only, line-numbered, bounded log; its lines and budgets.

``runner.record_writer`` writes it and ``record.RecordParser`` reads it. Standard library only: the
supervisor imports it, and apart from the parser, to be up sooner.

Every line is at most ``MAX_LINE_BYTES`` long with its newline, so that a pipe takes it in one
atomic write and no container runtime splits it. A console line stands as it was printed. A line
that begins with ``MARK`` is a frame, whose kind is the next byte:

=====  =========================================================================================
kind   after it
=====  =========================================================================================
``l``  a console line that can't stand as it is (begins with the mark, or ends in CR, which
       container runtimes strip), closed by a mark
``c``  console bytes that no newline followed (yet), closed by a mark
``x``  nothing: the console is cut here
``i``  `` FIRST COUNT I/N ENCODING PAYLOAD``: interim messages FIRST..FIRST+COUNT-1
``f``  the same for the final result, COUNT is 1
``g``  `` FIRST COUNT``: interim messages that the record had no room for
``p``  `` JSON``: how far the program is; the newest counts
``v``  `` CRC JSON``: the verdict, the last line, with its CRC-32 in eight hexadecimal digits
=====  =========================================================================================

A payload (I of N chunks) is ``=`` verbatim or ``~`` base64 of zlib. Messages of one frame are
joined by the mark, which JSON never holds; one that does hold it stands alone. A message is the
JSON text exactly as the program encoded it: it is never decoded here.
"""

KIB = 1024
MIB = 1024 * KIB

MARK = b"\x1e"
"""ASCII's record separator: no terminal prints it, no JSON holds it."""

MAX_LINE_BYTES = 4096
"""PIPE_BUF: one write of it is atomic; under every runtime's split size (8 and 16 KiB)."""

LINE_OVERHEAD = 64
"""What a container log adds to a line (time stamp, stream, tag), counted in every budget."""

CONSOLE_BUDGET = 2272 * KIB
"""Console bytes with their overhead; what comes after it is dropped."""

INTERIM_BUDGET = 2560 * KIB
"""Interim messages as framed; those that come after it are dropped and counted in a gap."""

MESSAGE_OVERHEAD = 128
"""The memory of a message without its text, counted in its budget: 260,000 at most fit."""

INTERIM_TEXT_BUDGET = 32 * MIB
"""Interim messages before compression, with their overhead: a reader holds them all."""

PROGRESS_BUDGET = 160 * KIB
"""Reports of progress. They come the more seldom the longer a job runs: a week of them fits."""

RESULT_BUDGET = 4 * MIB
"""The final result as framed; a larger one is refused."""

RESERVE = 128 * KIB
"""Kept for the lines that explain an end: the traceback, the cut, the last gap, the verdict."""

RECORD_BUDGET = CONSOLE_BUDGET + INTERIM_BUDGET + PROGRESS_BUDGET + RESULT_BUDGET + RESERVE
"""9 MiB: the kubelet rotates a container's log at 10 MiB, and readers lose lines there."""

MAX_MESSAGE_BYTES = 16 * MIB
"""One message before compression: what a reader must be ready to hold."""

TRACEBACK_BUDGET = 64 * KIB
"""A longer traceback keeps its first line and its end. It has room also after a cut: in RESERVE."""

CHUNK_BYTES = MAX_LINE_BYTES - 96
"""What a frame line carries: the rest is its header and newline."""
