"""Today's official client, 0.49 and later, against a server: all that a user of it calls."""

import importlib
import logging
import warnings

import checklist

for name in ("construct", "backends", "primitives", "jobs", "sessions"):
    # Each module adds its checks.
    importlib.import_module(name)

warnings.simplefilter("ignore")
logging.disable(logging.WARNING)
checklist.run()
