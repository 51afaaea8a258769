"""The environment variables that programs get: a short list of the server's, and what is named.

A server is often started from a shell that holds its user's keys for other services. A program is
given what finds interpreters, libraries and certificates, says language and time zone, or sets
how simulators use the machine; nothing that could be a secret. So no ``*_TOKEN``, no proxies
(they may have a password in them), and of Qiskit's none of an account.
"""

import re
from collections.abc import Collection, Mapping

_NAMES = (
    # Where things are.
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "VIRTUAL_ENV", "CONDA_PREFIX"),
    *("LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"),
    *("MPLBACKEND", "MPLCONFIGDIR"),
    # Language and time.
    *("LANG", "LANGUAGE", r"LC_\w+", "TZ", "TZDIR", "TERM"),
    # How Python behaves, and where it finds packages.
    r"PYTHON\w+",
    # Threads, processors and memory of Qiskit, Aer and the libraries below them.
    *("QISKIT_PARALLEL", "QISKIT_NUM_PROCS", "QISKIT_FORCE_THREADS", "QISKIT_IN_PARALLEL"),
    *("QISKIT_SETTINGS", "QISKIT_IGNORE_USER_SETTINGS", r"QISKIT_SABRE_\w+"),
    *(r"(OMP|GOMP|KMP|MKL|OPENBLAS|BLIS|VECLIB|NUMEXPR|RAYON)_\w+", r"MALLOC_\w+"),
    *("CUDA_VISIBLE_DEVICES", "CUDA_HOME", "CUDA_PATH", "NVIDIA_VISIBLE_DEVICES"),
    # Whom to trust.
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
)

_PASSED_ON = re.compile("|".join(_NAMES))


def choose_variables(environment: Mapping[str, str], named: Collection[str] = ()) -> dict[str, str]:
    """Return the variables of the list, and those that the server's user named. Pure."""
    return {
        name: value
        for name, value in environment.items()
        if name in named or _PASSED_ON.fullmatch(name)
    }
