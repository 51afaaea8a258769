"""Resource names: a job's name in Kubernetes, in the data folder and in a URL.

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
"""The apiVersion of our manifests."""

JOB_LABEL = f"{GROUP}/runtimejob"
"""Label of all that a RuntimeJob owns (Kubernetes Job, pod, Secrets): the RuntimeJob's name.

It is empty on what was started ahead: the Job's is set when it is claimed, its pod's stays.
"""

WARM_LABEL = f"{GROUP}/warm"
"""Label of Kubernetes Jobs and pods that were started ahead: the digest of their template."""

CLASS_LABEL = f"{GROUP}/resource-class"
"""Label of Kubernetes Jobs and pods of a resource class: its name; those of none do not have it."""

SESSION_LABEL = f"{GROUP}/session"
"""Label of such a Kubernetes Job that waits for the jobs of one session: the session's name."""

CLAIMED_AT = f"{GROUP}/claimed-at"
"""Annotation of such a Kubernetes Job: the time since which it is a RuntimeJob's."""

INSTANCE_LABEL = f"{GROUP}/instance"
"""Label of RuntimeJobs and RuntimePrograms: their instance, to select them by with kubectl."""

SUBMITTED_AT = f"{GROUP}/submitted-at"
"""Annotation of a RuntimeJob: the time of its submission, to the microsecond, to order jobs by."""

RECORD_DROPPED = f"{GROUP}/record-dropped"
"""Annotation of a RuntimeJob: the time when its record was removed to make room for others."""

RESULT_READ = f"{GROUP}/result-read"
"""Annotation of a RuntimeJob: the time when its result was served, where it is served once."""

SECRET_BYTES = 700 * 1024
"""The most that one Secret of ours holds: in base64 within the 1 MiB that a client may send."""

MAX_NAME_LENGTH = 40
"""The names of a job's Kubernetes Job and pod add a suffix to it, in 63 characters."""

_KEYS = uuid.uuid5(uuid.NAMESPACE_DNS, GROUP)

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")


def make_job_id() -> str:
    """Return a new job id: a random UUID, as in the 2021 API."""
    return str(uuid.uuid4())


def make_repeatable_job_id(tenant: str, key: str) -> str:
    """Return the job id of a client's idempotency key: always the same, and not to be guessed.

    ``tenant`` is a text that no other client has, its token or the name of its account; the id does
    not reveal it.
    """
    digest = hashlib.sha256(f"{tenant}\0{key}".encode()).hexdigest()
    return str(uuid.uuid5(_KEYS, digest))


def is_name(text: str) -> bool:
    """Return whether the text can be the name of a job, program, backend or session."""
    return _NAME.fullmatch(text) is not None
