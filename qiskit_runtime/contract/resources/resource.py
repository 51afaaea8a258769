"""Resource names: how a job is called in Kubernetes, in the data folder and in a URL.

A job's id is its resource's name: an RFC 1123 label that we make ourselves. A name that a client
sends is checked here before it becomes a path, a label, a key or a selector.
"""

import hashlib
import re
import uuid
from typing import Any

Manifest = dict[str, Any]
"""An object of the Kubernetes API, as its JSON has it."""

GROUP = "qiskit-runtime.dev"
"""The API group of our resources, and the domain of our labels."""

VERSION = "v1alpha1"
"""The version of our resources."""

API_VERSION = f"{GROUP}/{VERSION}"
"""What a manifest of ours has as its apiVersion."""

JOB_LABEL = f"{GROUP}/runtimejob"
"""On all that a RuntimeJob owns, its Kubernetes Job, pod and Secrets: the RuntimeJob's name."""

SUBMITTED_AT = f"{GROUP}/submitted-at"
"""Annotation of a RuntimeJob: when the API took it, to the microsecond; orders jobs of a second."""

RECORD_DROPPED = f"{GROUP}/record-dropped"
"""Annotation of a RuntimeJob: when its record made room for others. Its status can't say it."""

SECRET_BYTES = 700 * 1024
"""What one Secret of ours holds at most: in base64 within the 1 MiB that a client sends at once."""

MAX_NAME_LENGTH = 40
"""A job's Kubernetes Job and pod carry its name and a suffix, in 63 characters."""

_KEYS = uuid.uuid5(uuid.NAMESPACE_DNS, GROUP)

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")


def make_job_id() -> str:
    """A new job id: a random UUID, as in the 2021 API."""
    return str(uuid.uuid4())


def make_repeatable_job_id(tenant: str, key: str) -> str:
    """The job id of a client's idempotency key: the same each time, and not to be guessed.

    ``tenant`` is what only that client knows, its token; it can't be found from the id.
    """
    digest = hashlib.sha256(f"{tenant}\0{key}".encode()).hexdigest()
    return str(uuid.uuid5(_KEYS, digest))


def is_name(text: str) -> bool:
    """Whether the text can be the name of a job, a program or a backend of ours."""
    return _NAME.fullmatch(text) is not None
