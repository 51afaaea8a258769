"""The Python client of a Qiskit Runtime server, blocking (``Client``) and async (``AsyncClient``).

``client`` and ``async_client`` do I/O and decide nothing; ``calls`` (REST) and ``job_stream`` (the
websocket) decide and do no I/O. Neither Qiskit nor the server's libraries are imported with it.
"""

from qiskit_runtime.client.async_client import AsyncClient, AsyncJob
from qiskit_runtime.client.client import Client, Job
from qiskit_runtime.client.errors import (
    BadProgram,
    ClientError,
    JobFailed,
    JobTimeout,
    NameTaken,
    NoResult,
    NoServer,
    ProgramDiffers,
    ProgramNotFound,
    Refused,
    StreamLost,
    Unauthorized,
    Unreachable,
)
from qiskit_runtime.client.job_stream import Reconnecting, StreamEvent, Waiting
from qiskit_runtime.client.models import BackendInfo, Change, JobInfo, ProgramInfo, UploadedProgram
from qiskit_runtime.client.values import decode
from qiskit_runtime.contract.wire.events import (
    Console,
    ConsoleTruncated,
    FrameEvent,
    Gap,
    Message,
    ProgressEvent,
)
from qiskit_runtime.contract.wire.progress import Progress

__all__ = [
    "AsyncClient",
    "AsyncJob",
    "BackendInfo",
    "BadProgram",
    "Change",
    "Client",
    "ClientError",
    "Console",
    "ConsoleTruncated",
    "FrameEvent",
    "Gap",
    "Job",
    "JobFailed",
    "JobInfo",
    "JobTimeout",
    "Message",
    "NameTaken",
    "NoResult",
    "NoServer",
    "ProgramDiffers",
    "ProgramInfo",
    "ProgramNotFound",
    "Progress",
    "ProgressEvent",
    "Reconnecting",
    "Refused",
    "StreamEvent",
    "StreamLost",
    "Unauthorized",
    "Unreachable",
    "UploadedProgram",
    "Waiting",
    "decode",
]
