"""Resource names: how a job is called in Kubernetes, in the data folder and in a URL.

A job's id is its resource's name: an RFC 1123 label that we make ourselves. A name that a client
sends is checked here before it becomes a path, a label, a key or a selector.
"""

import re
import uuid

GROUP = "qiskit-runtime.dev"
"""The API group of our resources, and the domain of our labels."""

VERSION = "v1alpha1"
"""The version of our resources."""

MAX_NAME_LENGTH = 40
"""A job's Kubernetes Job and pod carry its name and a suffix, in 63 characters."""

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")


def make_job_id() -> str:
    """A new job id: a random UUID, as in the 2021 API."""
    return str(uuid.uuid4())


def is_name(text: str) -> bool:
    """Whether the text can be the name of a job, a program or a backend of ours."""
    return _NAME.fullmatch(text) is not None
