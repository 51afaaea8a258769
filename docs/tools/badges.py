"""Write the README's badges as SVG files, from what the repository itself says.

``make drawings`` runs it; tests/docs checks that they are up to date.
No picture is loaded from a host.
"""

import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
ASSETS = ROOT / "docs" / "assets"
CHARACTER_WIDTH, PADDING = 6.6, 7
GREEN, BLUE, ORANGE = "#3f9142", "#2f6fb3", "#b9601f"
BADGE = """\
<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="20" role="img">
<title>{label}: {value}</title>
<clipPath id="r"><rect width="{width:.0f}" height="20" rx="4"/></clipPath>
<g clip-path="url(#r)"><rect width="{width:.0f}" height="20" fill="#444c56"/>
<rect x="{split:.0f}" width="{width:.0f}" height="20" fill="{color}"/></g>
<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">
<text x="{label_middle:.1f}" y="14">{label}</text>
<text x="{value_middle:.1f}" y="14">{value}</text></g>
</svg>
"""


def draw(label: str, value: str, color: str) -> str:
    """Return a badge with a label and a value."""
    split, rest = (len(text) * CHARACTER_WIDTH + 2 * PADDING for text in (label, value))
    return BADGE.format(
        label=label, value=value, color=color, split=split, width=split + rest,
        label_middle=split / 2, value_middle=split + rest / 2,
    )  # fmt: skip


def make_badges() -> dict[str, str]:
    """Return each badge's text by the name of its file."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    chart = yaml.safe_load((ROOT / "charts/qiskit-runtime/Chart.yaml").read_text("utf-8"))
    python = project["requires-python"].removeprefix(">=")
    return {
        "badge-ci.svg": draw("CI", "check and test", GREEN),
        "badge-licence.svg": draw("licence", project["license"], BLUE),
        "badge-python.svg": draw("Python", f"{python} or newer", BLUE),
        "badge-chart.svg": draw("chart", chart["version"], BLUE),
        "badge-status.svg": draw("status", "alpha", ORANGE),
    }


if __name__ == "__main__":
    for name, text in make_badges().items():
        (ASSETS / name).write_text(text, "utf-8")
