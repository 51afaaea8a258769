"""Makes the two libraries of the console from npm, and the page that says what they are.

``make console-vendor`` runs it after a change of the versions here; it needs npm, the console and
its server do not. The same versions give the same bytes.
"""

import hashlib
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "qiskit_runtime" / "console" / "vendor"
VERSIONS = {"lit": "3.3.3", "uplot": "1.6.32", "esbuild": "0.28.2"}
LIT = """export { LitElement, html, svg, nothing } from "lit";
export { repeat } from "lit/directives/repeat.js";
"""
"""What the console uses of Lit."""

OPTIONS = ("--minify", "--format=esm", "--target=es2022", "--legal-comments=inline")

HEAD = """# Libraries of the console

Made from npm by `make console-vendor` (`docs/tools/console_vendor.py`), with esbuild {esbuild};
a test compares the hashes. They are served as they are; nothing else here is of others.

| file | of | version | licence | bytes | sha256 |
| --- | --- | --- | --- | --- | --- |
"""


def main() -> None:
    """Write the libraries, their licences and VENDOR.md anew."""
    with tempfile.TemporaryDirectory() as place:
        build(Path(place))
        rows = [
            describe(Path(place), *made)
            for made in (("lit.js", "lit"), ("uplot.js", "uplot"), ("uplot.css", "uplot"))
        ]
    (FOLDER / "VENDOR.md").write_text(HEAD.format(**VERSIONS) + "".join(rows), encoding="utf-8")


def build(place: Path) -> None:
    """Install the packages in a folder, and bundle them from there."""
    names = [f"{name}@{version}" for name, version in VERSIONS.items()]
    run(place, "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", *names)
    (place / "lit.mjs").write_text(LIT, encoding="utf-8")
    modules = place / "node_modules"
    esbuild = str(modules / ".bin" / "esbuild")
    run(place, esbuild, "lit.mjs", "--bundle", *OPTIONS, f"--outfile={FOLDER / 'lit.js'}")
    uplot = modules / "uplot" / "dist"
    # Its own minified script is smaller than what esbuild makes of its module.
    script = (uplot / "uPlot.iife.min.js").read_text(encoding="utf-8")
    (FOLDER / "uplot.js").write_text(script + "export default uPlot;\n", encoding="utf-8")
    shutil.copyfile(uplot / "uPlot.min.css", FOLDER / "uplot.css")
    for name in ("lit", "uplot"):
        shutil.copyfile(modules / name / "LICENSE", FOLDER / f"LICENSE.{name}")


def run(place: Path, *command: str) -> None:
    """Run a command in a folder, and stop where it fails."""
    subprocess.run(command, cwd=place, check=True)


def describe(place: Path, file: str, name: str) -> str:
    """Return a file's row of VENDOR.md."""
    content = (FOLDER / file).read_bytes()
    package = json.loads((place / "node_modules" / name / "package.json").read_text())
    assert package["version"] == VERSIONS[name]
    digest = hashlib.sha256(content).hexdigest()
    facts = (file, name, package["version"], package["license"], len(content), digest)
    return f"| {' | '.join(map(str, facts))} |\n"


if __name__ == "__main__":
    main()
