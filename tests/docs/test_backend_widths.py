"""The table of widths in the documents, against the one that the server tells."""

import re

from qiskit_runtime.contract.devices.simulators import WIDTHS
from tests.documents import DOCS


def test_documented_widths_are_those_that_clients_are_told():
    """Each method has its row."""
    text = (DOCS / "how-to" / "use-backends.md").read_text()
    rows = re.findall(r"^\| (`[a-z_]+`(?:, `[a-z_]+`)*) \| (\d+) \|", text, re.MULTILINE)
    told = {name.strip("` "): int(width) for names, width in rows for name in names.split(",")}
    assert told == WIDTHS
