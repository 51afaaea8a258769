"""The tutorials and the page on packages, executed: what they measure, and their figures."""

import json
import math
import os
import re
import shutil
import struct
import subprocess
import sys
import time
import zipfile

import matplotlib.image
import numpy as np
import pytest

from tests import documents
from tests.documents import DOCS, Reader, read_parts

MAX_FIGURE_BYTES = 80_000
UPDATE = "UPDATE_FIGURES"
"""With it in the environment (``make figures``), the figures that were made replace docs/'s."""

MEASURED = (
    (r"█[█▏▎▍▌▋▊▉]* +\d+ +[\d.]+ %|[█▏▎▍▌▋▊▉] +\d+ +[\d.]+ %", "<bar>"),
    (r"-?\d+\.\d+(\.\d+)?( ?%)?|\b\d+%", "<number>"),
    (r"sha256:[0-9a-f]+", "<hash>"),
    (r"(<number>|\d+) [KM]iB", "<size>"),
    (r'"/[^"]*/source/', '"<source>/'),
    (r"\b\d\d-\d\d \d\d:\d\d:\d\d", "<time>"),
    (r"simulator \d+", "simulator <seed>"),
    (r"(?<=    )\d+(?= |$)", "<number>"),
    (r" +", " "),
)
"""What a run may change in addition: whatever is measured, and how wide that makes a column."""


def normalise(text):
    """The text without what a run, or the machine, may change."""
    text = documents.normalise(text)
    for pattern, stand_in in MEASURED:
        text = re.sub(pattern, stand_in, text, flags=re.MULTILINE)
    return text


def compare(output, text):
    """Check that a block printed what the page shows."""
    assert normalise(output) == normalise(text)


def read_numbers(line):
    """The numbers of a table's row, percentages as shares."""
    found = re.findall(r"(-?\d+\.?\d*)(%?)(?= |$)", line.strip())
    return [float(number) / (100 if percent else 1) for number, percent in found]


def find_rows(outputs, *labels):
    """The numbers of the rows that begin with these labels, in the order of the labels."""
    lines = [line for output in outputs for line in output.splitlines()]
    return [
        [read_numbers(line.removeprefix(label)) for line in lines if line.startswith(label)]
        for label in labels
    ]


def check_first_program(outputs):
    """The shares lie on the curve, and a job with a seed gives the same twice."""
    (results,) = [[json.loads(line.replace("'", '"')) for output in outputs
                   for line in output.splitlines() if line.startswith("{'ones'")]]  # fmt: skip
    assert len(results) == 2 and results[0] == results[1]
    for step, ones in enumerate(results[0]["ones"]):
        expected = math.sin(math.pi * step / 8) ** 2
        assert abs(ones - expected) <= 5 * math.sqrt(expected * (1 - expected) / 1000) + 1e-9


def check_vqe(outputs):
    """The energies are those of the matrix, which is written down here once more."""
    i, x, z = np.eye(2), np.array([[0, 1], [1, 0]]), np.diag([1, -1])
    terms = [
        (-1.052373, i, i),
        (0.397937, i, z),
        (-0.397937, z, i),
        (-0.011280, z, z),
        (0.180931, x, x),
    ]
    energy = np.linalg.eigvalsh(sum(factor * np.kron(a, b) for factor, a, b in terms))[0]
    labels = "SPSA, 1024 shots", "COBYLA, exact", "diagonalisation"
    (sampled,), (exact,), (diagonal,) = find_rows(outputs, *labels)
    assert diagonal[0] == pytest.approx(energy, abs=1e-4)
    evaluations, reported, true, error = exact
    assert evaluations > 10
    assert reported == pytest.approx(energy, abs=1e-3) and true == pytest.approx(energy, abs=1e-3)
    assert sampled[1] == pytest.approx(energy, abs=0.1)
    assert energy - 1e-4 <= sampled[2] <= energy + 0.03
    assert min(error, sampled[3]) >= 0


def check_kernel_alignment(outputs):
    """Alignment lowers the cost, and what it gives classifies better than what was there."""
    runs = [output for output in outputs if "step  1:" in output]
    assert len(runs) == 2
    for output in runs:
        costs = [float(cost) for cost in re.findall(r"cost +([\d.]+)", output)]
        assert costs[-1] < costs[0] / 2
        ((_, _, before),), ((parameter, training, after),) = find_rows([output], "before", "after")
        assert after >= before + 0.2 and after >= 0.9 and training >= 0.9
        assert 0.9 < parameter < math.pi / 2 + 0.1


def check_noise(outputs):
    """Readout noise is given back, noise of gates is not, and the ideal is ideal."""
    (errors,), zeros, readout, gates = find_rows(
        outputs, "error", "000", "readout noise", "noise of two-qubit gates"
    )
    ideal, _, row, row_mitigated, lagos, lagos_mitigated = errors
    assert ideal < 0.03 and row_mitigated < row / 2 and lagos_mitigated < lagos / 2
    assert zeros[0][0] == pytest.approx(0.5, abs=0.03)
    assert len(readout) == len(gates) == 4
    for strength, measured, mitigated in readout:
        # Nothing of it is left but the right values of three bits, and two outcomes of the wrong.
        kept = (1 - strength) ** 3 + strength**3
        assert measured == pytest.approx(1 - kept, abs=0.03) and mitigated < 0.05
    for _, measured, mitigated in gates:
        assert mitigated == pytest.approx(measured, abs=0.005)
    assert sorted(readout) == readout and sorted(gates) == gates


def check_packages(outputs):
    """The program fails without the package, and gives the right number with it, three times."""
    results = [
        output.split("Result\n")[1].splitlines()[0] for output in outputs if "Result" in output
    ]
    assert results == ['"V"', '"quinque"', '"V"']


CHECKS = {
    "tutorials/first-program": check_first_program,
    "tutorials/vqe": check_vqe,
    "tutorials/kernel-alignment": check_kernel_alignment,
    "tutorials/noise": check_noise,
    "how-to/packages": check_packages,
}


def make_venv(folder):
    """A virtual environment of a reader's own, which has all that this one has."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    below = [path for path in sys.path if path.endswith("site-packages")]
    (own,) = folder.glob("lib/*/site-packages")
    lines = [f"import site; site.addsitedir({path!r})\n" for path in below]
    (own / "below.pth").write_text("".join(lines))
    command = folder / "bin" / "qiskit-runtime"
    command.write_text(f"#!{folder}/bin/python\nfrom api.cli.main import main\nmain()\n")
    command.chmod(0o755)
    (folder / ".runtime-ready").touch()


def make_wheel(folder):
    """A package that pip finds without a registry, in place of the page's of this name."""
    source = "def toRoman(number):\n    return ['', 'I', 'II', 'III', 'IV', 'V'][number]\n"
    about = "roman-5.2.dist-info"
    files = {
        "roman.py": source,
        f"{about}/METADATA": "Metadata-Version: 2.1\nName: roman\nVersion: 5.2\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{about}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{about}/RECORD"])
    folder.mkdir()
    with zipfile.ZipFile(folder / "roman-5.2-py3-none-any.whl", "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)


@pytest.fixture
def installer(reader, tmp_path):
    """The reader, who may install packages: into an environment of their own, from a folder."""
    make_venv(reader.folder / ".venv")
    make_wheel(tmp_path / "wheels")
    pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "wheels")}
    venv = str(reader.folder / ".venv")
    return Reader(reader.folder, reader.environment | pip | {"VENV": venv}, venv)


@pytest.fixture
def reader(tmp_path):
    """A reader with a checkout, in which no figure is made yet."""
    folder = documents.make_checkout(tmp_path / "checkout")
    for figure in (folder / "docs" / "figures").glob("*.png"):
        figure.unlink()
    environment = documents.make_environment(tmp_path)
    quiet = {"MPLBACKEND": "Agg", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return Reader(folder, environment | quiet)


def find_figures(page):
    """The names of the figures that a page shows."""
    return re.findall(
        r"!\[[^]]+\]\(\.\./figures/([\w.-]+)\)", (DOCS / f"{page}.md").read_text("utf-8")
    )


def check_figure(figure, since):
    """Check that it is a PNG image, made since then, of a size for a page, and not empty."""
    data = figure.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack("!II", data[16:24])
    assert 500 <= width <= 1200 and 200 <= height <= 600
    assert len(data) < MAX_FIGURE_BYTES
    assert figure.stat().st_mtime >= since
    pixels = matplotlib.image.imread(figure)[..., :3]
    assert 0.02 < np.mean(pixels.min(axis=2) < 0.9) < 0.9, "nothing is drawn, or all is covered"


@pytest.mark.timeout(280)
@pytest.mark.parametrize("page", CHECKS)
def test_every_block_runs_and_prints_what_the_page_says(page, reader, request):
    """A reader who copies the blocks in order sees what the page shows, and gets its figures."""
    began = time.time()
    if page == "how-to/packages":
        reader = request.getfixturevalue("installer")
    outputs = reader.read(read_parts(DOCS / f"{page}.md", on_a_cluster=False), compare)
    CHECKS[page](outputs)
    for name in find_figures(page):
        figure = reader.folder / "docs" / "figures" / name
        check_figure(figure, began)
        if os.environ.get(UPDATE):
            shutil.copy(figure, DOCS / "figures" / name)


def test_the_figures_in_the_tree_are_those_of_the_pages():
    """Each is shown by a page, small, and none is left over."""
    shown = {name for page in CHECKS for name in find_figures(page)}
    there = {figure.name: figure.stat().st_size for figure in (DOCS / "figures").iterdir()}
    assert shown == there.keys()
    assert max(there.values()) < MAX_FIGURE_BYTES
