"""The chart's users of Redis, on a real one: each may do what its process does, and no more."""

import asyncio
from types import SimpleNamespace

import pytest
import redis
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, NoPermissionError

from api.jobstore.kubernetes.live_streams import LiveStreams
from controller.reconciler import JobReconciler
from controller.record.copy import RecordCopy
from controller.record.redis_stream import RedisStream
from controller.settings import OperatorSettings, RunnerSettings, WarmPoolSettings
from controller.warm_pool import WarmPool
from qiskit_runtime.contract.wire.pool_numbers import PoolNumbers
from qiskit_runtime.contract.wire.record_stream import Batch, notification_channel
from tests.jobstore.kubernetes.redis_server import PASSWORD, run_redis, write_users

LINES = b"one\ntwo\n"
LISTENER = "user listener on nopass resetchannels &job-results:* -@all +psubscribe +punsubscribe"
"""A client of Redis that is none of ours: neither API nor operator subscribes."""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A Redis with the chart's users, and one who listens to notifications."""
    with run_redis(write_users(tmp_path_factory.mktemp("redis"), LISTENER)) as server:
        yield server


async def write_and_read(server):
    """Do what the operator's code and the API's do with a job's stream; return what came of it."""
    operator = Redis.from_url(server.url_of("operator"))
    streams = LiveStreams(server.url_of("api"))
    subscriber = Redis.from_url(server.url_of("listener")).pubsub()
    came, copy, writer = asyncio.Event(), RecordCopy(), RedisStream(operator, "uid", "bell")
    streams.open()
    writing = asyncio.create_task(writer.run(lambda: copy))
    try:
        await subscriber.psubscribe(notification_channel("*"))
        with streams.following("other", 0, came.set), streams.following("uid", 0, came.set) as tail:
            copy.feed(LINES)
            writer.append(Batch(LINES, 2))
            await writer.drain()
            await asyncio.wait_for(came.wait(), 30)
            again = await writer.read()
            batches = await streams.read_after("uid", 0)
            assert tail.take() == batches
            notified = [await subscriber.get_message(timeout=30) for _ in range(2)][1]
            await writer.retire()
            left = await operator.xrange("runtimejob:uid")
            await writer.delete()
        deleted = await streams.read_after("uid", 0)
        return batches, again.lines, len(left), deleted, notified["data"]
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await subscriber.aclose()
        await operator.aclose()
        await streams.close()


def test_operator_and_api_do_their_work(server):
    """The operator appends, publishes, reads again, lets go and deletes; the API follows, reads."""
    batches, again, left, deleted, notified = asyncio.run(write_and_read(server))
    assert [batch.lines for batch in batches] == [LINES]
    assert (again, left, deleted, notified) == (2, 1, [], b"2")


async def report_and_read(server):
    """Have the operator's pool report, and the API read it, before and after."""
    operator = Redis.from_url(server.url_of("operator"))
    streams = LiveStreams(server.url_of("api"))
    settings = WarmPoolSettings(size=2, key="k" * 32)
    own = OperatorSettings(namespace="jobs", runner=RunnerSettings(image="i:1"), warm_pool=settings)
    cluster = SimpleNamespace(open_log=None)
    reconciler = JobReconciler(cluster, operator, own)
    pods, logs = reconciler.warm_pods, reconciler.records.ready_logs
    pool = WarmPool(cluster, reconciler.view, pods, logs, own.runner, settings)
    streams.open()
    try:
        before = await streams.read_pool("jobs")
        await pool.report(operator, "jobs")
        return before, await streams.read_pool("jobs")
    finally:
        await operator.aclose()
        await streams.close()


def test_operator_tells_the_api_of_its_pods(server):
    """The numbers that the pool reports are read by the API."""
    before, after = asyncio.run(report_and_read(server))
    assert (before, after) == (None, PoolNumbers(ready=0, starting=0))


def test_api_keeps_its_marks(server):
    """A script of the API's reads and writes the marks of what was written, and they alone."""
    with redis.Redis.from_url(server.url_of("api")) as api:
        script = 'redis.call("SET", KEYS[1], ARGV[1]) return redis.call("GET", KEYS[1])'
        assert api.eval(script, 1, "written:ns:runtimejobs", "e 7") == b"e 7"
        assert api.get("written:ns:runtimejobs") == b"e 7"
        with pytest.raises(redis.ResponseError, match=r"(?i)permission|can't access"):
            api.eval(script, 1, "runtimejob:uid", "forged")
        with pytest.raises(redis.ResponseError, match=r"(?i)permission|can't run|not allowed"):
            api.eval('return redis.call("KEYS", "*")', 0)


BOTH = [
    "CONFIG GET *", "CONFIG SET maxmemory 1", "KEYS *", "SCAN 0", "FLUSHALL", "FLUSHDB", "SHUTDOWN",
    "MONITOR", "ACL LIST", "ACL WHOAMI", "CLIENT LIST", "CLIENT KILL ID 1", "SAVE",
    "REPLICAOF NO ONE", "MODULE LIST", "INFO", "FUNCTION LIST", "SCRIPT FLUSH", "RENAME a b",
    "XADD other:1 * a b", "XRANGE other:1 - +", "EXPIRE other:1 1", "GET other:1", "SET other:1 x",
    "GET warm-pod", "SET warm-pod x",
    "PUBLISH other x", "SUBSCRIBE other", "PSUBSCRIBE *", "XTRIM runtimejob:uid MAXLEN 0",
    "XDEL runtimejob:uid 1-1", "SELECT 1", "DUMP runtimejob:uid", "SORT runtimejob:uid",
]  # fmt: skip
DENIED = {
    "api": [*BOTH, "XADD runtimejob:uid * lines x", "DEL runtimejob:uid", "DEL written:x",
            "EXPIRE runtimejob:uid 1", "PUBLISH job-results:bell 1", "SET runtimejob:uid x",
            "SET warm-pool:jobs x", "SUBSCRIBE job-results:bell", "PSUBSCRIBE job-results:*"],
    "operator": [*BOTH, "EVAL return 0", "GET written:x", "SET written:x 1", "DEL written:x",
                 "PSUBSCRIBE job-results:*"],
}  # fmt: skip


@pytest.mark.parametrize("user", DENIED)
def test_everything_else_is_denied(server, user):
    """Other commands, other keys, other channels: NOPERM, by the same connection as before."""
    with redis.Redis.from_url(server.url_of(user)) as client:
        for command in DENIED[user]:
            with pytest.raises(NoPermissionError):
                client.execute_command(*command.split())
        assert client.ping()


@pytest.mark.parametrize("login", ["", f":{PASSWORD}@", "api:wrong@", "default:x@", "nobody:x@"])
def test_nobody_else_gets_in(server, login):
    """Without a user, as the default one, or with another password: not even a PING."""
    url = f"redis://{login}127.0.0.1:{server.port}/0"
    with redis.Redis.from_url(url) as client, pytest.raises(AuthenticationError):
        client.ping()
