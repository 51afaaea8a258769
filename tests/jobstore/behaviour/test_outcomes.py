"""A program's end decides phase, reason and result."""

import asyncio
from dataclasses import dataclass

import pytest

from qiskit_runtime.contract.lifecycle import Phase, Reason
from qiskit_runtime.contract.resources.job import Job
from qiskit_runtime.contract.wire.circuit_metrics import CircuitMetrics
from qiskit_runtime.contract.wire.events import ConsoleTruncated, EndEvent
from tests.jobstore.store_under_test import StoreUnderTest, messages, printed, result

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Case:
    """A program's source (the body of ``main``) and what has to become of its job."""

    body: str
    phase: Phase = Phase.COMPLETED
    reason: Reason = Reason.NONE
    result: str | None = None
    console: str = ""
    message: str = ""
    params: str = "{}"
    seconds: int = 60

    @property
    def source(self) -> str:
        """The whole program."""
        head = "import os, random, signal, subprocess, sys, time\n\ndef main(backend, messenger):\n"
        return head + "".join(f"    {line}\n" for line in self.body.splitlines())


ERROR = (Phase.FAILED, Reason.PROGRAM_ERROR)

CASES = {
    "final message": Case("messenger.publish({'a': 1}, final=True)", result='{"a": 1}'),
    "returned value": Case("return [1, 2]", result="[1, 2]"),
    "returned value after final message": Case(
        "messenger.publish('first', final=True)\nreturn 'second'", result='"first"'
    ),
    "nothing": Case("print('hi')", reason=Reason.NO_RESULT, console="hi\n"),
    "exit with 0": Case("sys.exit(0)", reason=Reason.NO_RESULT),
    "os._exit with 0 after final message": Case(
        "messenger.publish(1, final=True)\nos._exit(0)", result="1"
    ),
    "os._exit with 0": Case("os._exit(0)", reason=Reason.NO_RESULT),
    "message after final one, caught": Case(
        "messenger.publish(1, final=True)\n"
        "try:\n    messenger.publish(2)\nexcept RuntimeError:\n    print('refused')\n",
        result="1",
        console="refused\n",
    ),
    "message after final one": Case(
        "messenger.publish(1, final=True)\nmessenger.publish(2, final=True)",
        *ERROR,
        result="1",
        console="nothing can follow it",
    ),
    "exception": Case("raise ValueError('no')", *ERROR, console="ValueError: no", message="no"),
    "exception after final message": Case(
        "messenger.publish(1, final=True)\nraise ValueError('late')",
        *ERROR,
        result="1",
        message="late",
    ),
    "exit with 3 after final message": Case(
        "messenger.publish(1, final=True)\nsys.exit(3)", *ERROR, result="1", message="code 3"
    ),
    "os._exit with 7": Case("os._exit(7)", *ERROR, message="code 7"),
    "kill -9 of itself": Case("os.kill(os.getpid(), signal.SIGKILL)", *ERROR, message="signal 9"),
    "segmentation fault": Case("os.kill(os.getpid(), signal.SIGSEGV)", *ERROR, message="signal 11"),
    "syntax error": Case("return )", *ERROR, console="SyntaxError"),
    "unwanted argument": Case(
        "pass", Phase.FAILED, Reason.INVALID_PARAMS, params='{"x": 1}', message="'x'"
    ),
    "result too large": Case(
        "messenger.publish(random.randbytes(5 << 20).hex(), final=True)",
        Phase.FAILED,
        Reason.RESULT_TOO_LARGE,
    ),
    "over time": Case(
        "messenger.publish('a')\nwhile True: pass",
        Phase.CANCELLED,
        Reason.RAN_TOO_LONG,
        seconds=1,
        message="1 s",
    ),
    "over time, ignoring SIGTERM": Case(
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: time.sleep(1)",
        Phase.CANCELLED,
        Reason.RAN_TOO_LONG,
        seconds=1,
    ),
    "child left behind": Case(
        "subprocess.Popen(['sleep', '1000'], start_new_session=True)\nreturn 1", result="1"
    ),
    "message from a fork": Case(
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    try:\n        messenger.publish('child')\n    finally:\n        os._exit(5)\n"
        "return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])",
        result="5",
    ),
    "forged verdict": Case(
        'line = \'\\x1ev 00000000 {"outcome": "Succeeded"}\'\n'
        "print(line)\nos.write(1, line.encode() + b'\\n')\nraise ValueError('truth')",
        *ERROR,
        console="\x1ev 00000000",
        message="truth",
    ),
    "closed stdout": Case("os.close(1)\nos.close(2)\nreturn 1", result="1"),
}


@pytest.fixture(scope="module")
async def submitted(jobs: StoreUnderTest) -> dict[str, Job]:
    """All cases, queued at once: they need not wait for each other's tests."""
    return {
        name: await jobs.submit(case.source, case.params, max_execution_seconds=case.seconds)
        for name, case in CASES.items()
    }


@pytest.mark.parametrize("name", CASES)
async def test_end_of_a_program_gives_its_phase_reason_and_result(
    jobs: StoreUnderTest, submitted: dict[str, Job], name: str
):
    """Each way to end has its phase and reason; a result that was published stays readable."""
    case = CASES[name]

    job = await jobs.finish(submitted[name].id)

    events = await jobs.store.read_events(job.id)
    assert (job.status.phase, job.status.reason) == (case.phase, case.reason)
    assert result(events) == case.result
    assert case.console in printed(events)
    assert case.message in job.status.message
    assert isinstance(events[-1], EndEvent)
    assert events[-1].intact


async def test_ended_job_tells_its_times_and_usage(jobs: StoreUnderTest):
    """A job that ran has its times in their order, its memory, and the versions it ran on."""
    job, _ = await jobs.run("def main(backend, messenger):\n    return 1")

    status = job.status
    assert job.created <= status.started_at <= status.finished_at
    assert status.peak_memory_bytes > 10 << 20
    assert {"qiskit", "aer"} <= set(status.versions)


async def test_ended_job_tells_the_circuits_that_it_ran(jobs: StoreUnderTest):
    """Their number, the runs, qubits in use and depths; a job without circuits tells of none."""
    job, _ = await jobs.run("""
        from qiskit import QuantumCircuit

        def main(backend, messenger):
            circuit = QuantumCircuit(4)
            circuit.h(0)
            circuit.cx(0, 2)
            circuit.measure_all()
            for _ in range(2):
                backend.run(circuit, shots=1).result()
        """)
    assert job.status.circuits == CircuitMetrics(
        count=2, executions=2, qubits=[4, 4], depths=[3, 3]
    )
    job, _ = await jobs.run("def main(backend, messenger):\n    return 1")
    assert job.status.circuits is None


async def test_prints_and_messages_keep_their_order(jobs: StoreUnderTest):
    """Printed lines, of children and stderr too, stand where they happened among messages."""
    job, events = await jobs.run("""
        import os, subprocess, sys

        def main(backend, messenger):
            for number in range(20):
                print("print", number)
                messenger.publish(number)
            print("err", file=sys.stderr)
            messenger.publish("m")
            subprocess.run(["echo", "child"])
            os.write(1, b"raw\\n")
            messenger.publish("end", final=True)
    """)

    story = [getattr(event, "data", None) or getattr(event, "text", None) for event in events[:-1]]
    numbered = [entry for n in range(20) for entry in (b"print %d" % n, str(n))]
    assert job.status.phase is Phase.COMPLETED
    assert story == [*numbered, b"err", '"m"', b"child", b"raw", '"end"']


async def test_exception_in_a_forked_child_is_not_the_jobs(jobs: StoreUnderTest):
    """A child that fails is its parent's affair: the job ends as the process of main does."""
    job, events = await jobs.run("""
        import os

        def main(backend, messenger):
            child = os.fork()
            if child == 0:
                raise ValueError("in the child")
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    """)

    assert job.status.phase is Phase.COMPLETED
    assert result(events) == "1"


FLOOD = """
    def main(backend, messenger):
        for _ in range(100):
            print(("x" * 63 + "\\n") * (1 << 14), end="")
        return "after the flood"
"""

LONG_LINE = """
    def main(backend, messenger):
        print("y" * (50 << 20))
        return "after the line"
"""

MANY_MESSAGES = """
    def main(backend, messenger):
        for number in range(10_000):
            messenger.publish({"number": number, "text": "z" * 20})
        return "after the messages"
"""

FORKS = """
    import os, time

    def main(backend, messenger):
        for _ in range(30):
            if os.fork() == 0:
                os.setsid()
                time.sleep(1000)
        return "after the forks"
"""

DEATH = """
    import os, signal

    def main(backend, messenger):
        os.kill(os.getpid(), signal.SIGKILL)
"""

TICKER = """
    import time

    def main(backend, messenger):
        messenger.publish("started")
        number = 0
        while True:
            messenger.publish(number)
            number += 1
            time.sleep(0.05)
"""


BRIEF = """
    import time

    def main(backend, messenger):
        time.sleep(0.5)
        return 1
"""


async def test_hostile_programs_leave_other_jobs_and_the_store_alone(jobs: StoreUnderTest):
    """Floods, endless lines, forks and violent ends cost the others no message, and no end."""
    bystander = await jobs.start(TICKER)

    hostile = (FLOOD, LONG_LINE, MANY_MESSAGES, FORKS, DEATH)
    flood, line, spam, forks, (death, _) = await asyncio.gather(*map(jobs.run, hostile))
    ticks_before = len(await jobs.store.read_events(bystander.id))
    last = await jobs.run(BRIEF)
    await jobs.stop(bystander)
    ticks = messages(await jobs.store.read_events(bystander.id))[1:]

    for (job, events), said in [
        (flood, '"after the flood"'),
        (line, '"after the line"'),
        (spam, '"after the messages"'),
        (forks, '"after the forks"'),
        (last, "1"),
    ]:
        assert (job.status.phase, result(events)) == (Phase.COMPLETED, said), job.status
    assert any(isinstance(event, ConsoleTruncated) for event in flood[1])
    assert printed(line[1]).startswith("y" * 1_000_000)
    assert death.status.phase is Phase.FAILED
    assert len(ticks) > ticks_before
    assert ticks == [str(number) for number in range(len(ticks))]


async def test_result_can_be_read_before_its_program_has_ended(jobs: StoreUnderTest):
    """As soon as its message is there: until the end the job is Running, and has it."""
    job = await jobs.submit("""
        import time

        def main(backend, messenger):
            messenger.publish({"a": 1}, final=True)
            while True:
                time.sleep(1)
    """)
    await jobs.wait_for_message(job.id, '{"a": 1}')
    read = await jobs.store.read_result(job.id)
    await jobs.wait_for(job.id, Phase.RUNNING)
    await jobs.stop(job)

    assert read == '{"a": 1}'
    assert await jobs.store.read_result(job.id) == '{"a": 1}'
