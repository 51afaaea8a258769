"""Records every watch event of a namespace and every frame of websocket listeners, by threads."""

import json
import threading
import time
from contextlib import suppress
from typing import Any, Self

import httpx
from kubernetes import watch
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import connect

from qiskit_runtime.contract.resources.resource import (
    CLASS_LABEL,
    GROUP,
    JOB_LABEL,
    VERSION,
    WARM_LABEL,
)
from qiskit_runtime.contract.wire.verdict import EXIT_UNREADABLE, EXIT_UNUSED
from tests.cluster.stand import Stand
from tests.faults.history import History, Listener, WatchEvent

WITHOUT_JOB = (EXIT_UNREADABLE, EXIT_UNUSED)
"""The exit codes of a runner that has refused its input, or was given none."""

OVER = (1000, 4404)
"""The close codes after which a listener does not come back: the job has ended, or was deleted."""


class Recorder:
    """``with Recorder(stand) as recorder: ...``; afterwards ``history`` is complete."""

    def __init__(self, stand: Stand) -> None:
        self._stand = stand
        self._started = time.monotonic()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._seen: set[tuple[str, str, str]] = set()
        self.history = History()

    def __enter__(self) -> Self:
        namespace = self._stand.namespace
        custom = (GROUP, VERSION, namespace, "runtimejobs")
        lists = {
            "RuntimeJob": (self._stand.custom.list_namespaced_custom_object, custom),
            "Job": (self._stand.batch.list_namespaced_job, (namespace,)),
            "Pod": (self._stand.core.list_namespaced_pod, (namespace,)),
        }
        for kind, (call, arguments) in lists.items():
            self._run(self._watch, kind, call, arguments)
        return self

    def __exit__(self, *_: object) -> None:
        # What came last is on its way.
        time.sleep(1.5)
        self._stopping.set()
        for thread in self._threads:
            thread.join(timeout=30)

    @property
    def seconds(self) -> float:
        """The time since the beginning."""
        return time.monotonic() - self._started

    def listen(self, job: str, listeners: int = 1) -> None:
        """Follow a job from now on, by so many clients that come back when they are cut off."""
        for _ in range(listeners):
            listener = Listener(job)
            self.history.listeners.append(listener)
            self._run(self._follow, listener)

    def wait_for_listeners(self, seconds: float = 60.0) -> None:
        """Return when every listener has got the end of its job."""
        deadline = time.monotonic() + seconds
        waiting: list[Listener] = self.history.listeners
        while waiting and time.monotonic() < deadline:
            waiting = [one for one in waiting if one.close_code not in OVER]
            time.sleep(0.1)
        assert not waiting, f"still listening: {waiting}"

    def read_results(self) -> None:
        """Ask the REST API for the results of all jobs that are there."""
        for name in self._stand.jobs():
            answer = httpx.get(f"{self._stand.url}/jobs/{name}/results", timeout=10)
            assert answer.status_code == 200, f"{name}: {answer.status_code} {answer.text}"
            if answer.json():
                self.history.results[name] = answer.json()

    def _run(self, target: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _watch(self, kind: str, call: Any, arguments: tuple[Any, ...]) -> None:
        watcher = watch.Watch()
        while not self._stopping.is_set():
            # It goes on where it was: nothing that happens between two requests is missed.
            seen = watcher.resource_version
            since = {"resource_version": seen} if seen else {}
            with suppress(HTTPError):
                try:
                    events = watcher.stream(call, *arguments, timeout_seconds=1, **since)
                    for event in events:
                        self._note(kind, event["type"], event["raw_object"])
                except ApiException:
                    watcher = watch.Watch()

    def _note(self, kind: str, change: str, raw: dict[str, Any]) -> None:
        metadata, status = raw["metadata"], raw.get("status", {})
        # A watch that begins again repeats what exists.
        key = (metadata["uid"], metadata["resourceVersion"], "" if change != "DELETED" else change)
        if key in self._seen:
            return
        self._seen.add(key)
        owners = metadata.get("ownerReferences", [{}])
        self.history.events.append(
            WatchEvent(
                seconds=self.seconds,
                kind=kind,
                type=change,
                name=metadata["name"],
                uid=metadata["uid"],
                owner=owners[0].get("uid", ""),
                phase=status.get("phase", "Queued") if kind == "RuntimeJob" else "",
                reason=status.get("reason", ""),
                result=status.get("result"),
                ran=kind == "Pod" and has_run(status),
                unused=kind == "Pod" and _read_exit_code(status) == EXIT_UNUSED,
                pool=_read_pool(metadata) if kind == "Job" else None,
            )
        )

    def _follow(self, listener: Listener) -> None:
        address = self._stand.url.replace("http", "ws", 1)
        while not self._stopping.is_set() and listener.close_code not in OVER:
            try:
                after = len(listener.frames)
                url = f"{address}/stream/jobs/{listener.job}?after={after}"
                with connect(url, open_timeout=5, close_timeout=1) as socket:
                    listener.connections += 1
                    self._take(socket, listener)
            except ConnectionClosed as closed:
                listener.close_code = closed.rcvd.code if closed.rcvd else 1006
            except (OSError, WebSocketException, TimeoutError):
                listener.close_code = None
            time.sleep(0.2)

    def _take(self, socket: Any, listener: Listener) -> None:
        while not self._stopping.is_set():
            with suppress(TimeoutError):
                listener.frames.append(socket.recv(timeout=0.5))


def has_run(status: dict[str, Any]) -> bool:
    """Return whether a pod's container has started, and did not end without a job."""
    (container,) = status.get("containerStatuses") or [{}]
    return bool(container.get("containerID")) and _read_exit_code(status) not in WITHOUT_JOB


def _read_pool(metadata: dict[str, Any]) -> str | None:
    """Return the class of a Kubernetes Job that waits for a RuntimeJob; None of any other."""
    labels = metadata.get("labels", {})
    waits = WARM_LABEL in labels and not labels.get(JOB_LABEL)
    return labels.get(CLASS_LABEL, "") if waits else None


def _read_exit_code(status: dict[str, Any]) -> int | None:
    (container,) = status.get("containerStatuses") or [{}]
    return container.get("state", {}).get("terminated", {}).get("exitCode")


def describe(history: History) -> str:
    """Each job's phases with their reason, and how its listeners fared: what a script prints."""
    names, reasons = history.names(), {}
    for event in history.events:
        if event.kind == "RuntimeJob":
            reasons[event.uid] = event.reason
    lines = []
    for uid, phases in history.phases().items():
        frames = [
            f"{len(one.frames)} frames over {one.connections} connections, close {one.close_code}"
            for one in history.listeners
            if one.job == names[uid]
        ]
        deleted = " (deleted)" if uid in history.deleted() else ""
        lines.append(f"  {names[uid]}: {' -> '.join(phases)} {reasons[uid]}{deleted}")
        lines += [f"      {text}" for text in frames]
    return "\n".join(lines)


def make_params(count: int, pause: float) -> str:
    """The parameters of a counting job."""
    return json.dumps({"n": count, "pause": pause})
