"""A follower that can't read its log: what it believes, and what it asks again."""

import asyncio

import pytest
from kubernetes.aio.client.exceptions import ApiException

import record_follower
from record_copy import RecordCopy
from record_follower import RecordFollower

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Tries again at once, and gives up soon."""
    monkeypatch.setattr(record_follower, "_RETRY_SECONDS", 0.01)
    monkeypatch.setattr(record_follower, "LOST_SECONDS", 0.2)


class Cluster:
    """A kubelet that answers with these, one after the other, and the last one from then on."""

    def __init__(self, *answers, has_pod=True):
        self.answers, self.pod, self.asked = list(answers), has_pod, 0

    async def follow_log(self, pod):
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        yield answer

    async def has_pod(self, name):
        return self.pod


class Writer:
    """A Redis that knows nothing."""

    name = "bell"

    async def run(self, copy):
        await asyncio.Event().wait()

    def append(self, batch):
        pass

    async def read(self):
        return RecordCopy()

    async def close(self):
        pass


async def follow(cluster, *, has_ended=True):
    """A follower that has read what there is."""
    follower = RecordFollower(cluster, "pod", Writer(), lambda: has_ended)
    async with asyncio.timeout(5):
        await follower.run()
    return follower


@pytest.mark.parametrize("status", [429, 500, 502])
async def test_log_that_is_refused_after_the_end_is_asked_for_again(status):
    """One bad answer costs no result: the log is still there."""
    line = b"printed\n"
    follower = await follow(Cluster(ApiException(status=status), line))
    assert follower.copy.lines == 1


async def test_log_that_never_comes_is_given_up():
    """A node that stays away does not hold a job for ever."""
    cluster = Cluster(ApiException(status=502))
    follower = await follow(cluster)
    assert follower.is_done and cluster.asked > 2


async def test_missing_log_is_believed_when_the_pod_is_gone():
    """A log that goes with its pod will not come."""
    cluster = Cluster(ApiException(status=404), has_pod=False)
    assert (await follow(cluster, has_ended=False)).is_done
    assert cluster.asked == 1


async def test_missing_log_of_a_pod_that_is_there_is_asked_for_again():
    """A kubelet that starts again says for a while that it has no such log."""
    cluster = Cluster(ApiException(status=404), ApiException(status=404), b"printed\n")
    follower = await follow(cluster)
    assert follower.copy.lines == 1 and cluster.asked == 3
