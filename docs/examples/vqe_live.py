"""Find the ground state energy of H2 with the program vqe, and watch it converge."""

import argparse
import textwrap
import time
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from qiskit.circuit.library import real_amplitudes
from qiskit.quantum_info import SparsePauliOp, Statevector

from qiskit_runtime.client import Client, Message, decode

# Hydrogen at 0.735 angstrom, in the basis STO-3G, on two qubits (parity mapping). In hartree.
H2 = SparsePauliOp.from_list(
    [
        ("II", -1.052373245772859),
        ("IZ", +0.39793742484318045),
        ("ZI", -0.39793742484318045),
        ("ZZ", -0.01128010425623538),
        ("XX", +0.18093119978423156),
    ]
)
ANSATZ = real_amplitudes(2, reps=1)
REDRAW_SECONDS = 0.1


def find_exact_energy() -> float:
    """The smallest eigenvalue, by diagonalising the 4 x 4 matrix."""
    return float(np.linalg.eigvalsh(H2.to_matrix())[0])


def find_energy(point: Any) -> float:
    """The energy of the ansatz at a point, without shots."""
    return float(Statevector(ANSATZ.assign_parameters(point)).expectation_value(H2).real)


class LivePlot:
    """Energy against evaluations, drawn again as they come: all of it, and near the end."""

    def __init__(self, exact: float) -> None:
        self.figure, self.panels = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
        for panel in self.panels:
            panel.axhline(exact, color="black", lw=1, label=f"exact: {exact:.4f} hartree")
            panel.set(xlabel="evaluations of the energy", ylabel="electronic energy [hartree]")
        self.panels[0].set_title("VQE of H$_2$ at 0.735 Å")
        self.panels[1].set_title("The same, near the exact energy")
        self.panels[1].set_ylim(exact - 0.03, exact + 0.09)
        # A window where there is a display; a figure in memory where there is none.
        self.is_shown = plt.get_backend().lower() != "agg"
        self.drawn = 0.0

    def start(self, label: str, color: str) -> None:
        """Begin a curve in both panels."""
        self.rows: list[tuple[int, float, float]] = []
        self.curves = [
            (
                panel.plot([], [], ".-", ms=3, lw=0.8, color=color, label=label)[0],
                panel.fill_between([0], [0], [0], color=color, alpha=0.3, lw=0),
            )
            for panel in self.panels
        ]
        self.panels[0].legend(loc="upper right")

    def add(self, evaluation: int, energy: float, deviation: float) -> None:
        """Add a point; redraw if the last time is a moment ago."""
        self.rows.append((evaluation, energy, deviation))
        if self.is_shown and time.monotonic() - self.drawn > REDRAW_SECONDS:
            self.draw()
            plt.pause(0.001)
            self.drawn = time.monotonic()

    def draw(self) -> None:
        """Put all points on the curve; the band is two standard deviations either way."""
        evaluation, energy, deviation = np.array(self.rows).T
        for panel, (line, band) in zip(self.panels, self.curves, strict=True):
            line.set_data(evaluation, energy)
            band.set_data(evaluation, energy - 2 * deviation, energy + 2 * deviation)
            panel.relim()
            panel.autoscale_view()


def run(plot: LivePlot, label: str, color: str, params: dict[str, Any]) -> dict[str, Any]:
    """Run one job, put each of its evaluations on the plot, and return its result."""
    with Client() as client:
        job = client.run("vqe", ansatz=ANSATZ, operator=H2, **params)
        plot.start(label, color)
        for event in job.stream():
            if isinstance(event, Message) and not event.final:
                evaluation, _parameters, energy, deviation = decode(event.text)
                plot.add(evaluation, energy, deviation)
        plot.draw()
        result: dict[str, Any] = job.result()
        return result


def print_table(results: dict[str, dict[str, Any]], exact: float) -> None:
    """Print each job's energy as it was reported, and that of its point without shots."""
    names = ", ".join(next(iter(results.values())))
    print(textwrap.fill(f"The result has {names}", 100))
    print(f"\n{'':20}{'evaluations':>12}{'reported':>12}{'true':>12}{'error':>12}")
    for name, result in results.items():
        energy = find_energy(result["optimal_point"])
        row = f"{result['optimal_value']:12.5f}{energy:12.5f}{energy - exact:12.5f}"
        print(f"{name:20}{result['cost_function_evals']:12}{row}")
    print(f"{'diagonalisation':32}{'':12}{exact:12.5f}{0:12.5f}")


def main() -> None:
    """Run with shots and without, print what was found, show or save the plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--save", type=Path, help="write the figure to this file")
    parser.add_argument("--shots", type=int, default=1024)
    parser.add_argument("--seed", type=int, default=7, help="the same seed, the same numbers")
    options = parser.parse_args()

    exact = find_exact_energy()
    plot = LivePlot(exact)
    start = {"initial_point": [0.5] * ANSATZ.num_parameters, "seed_simulator": options.seed}
    spsa = {"optimizer": {"name": "SPSA", "maxiter": 100}, "shots": options.shots}
    cobyla = {"optimizer": {"name": "COBYLA", "tol": 1e-5}, "shots": None}
    jobs = {
        f"SPSA, {options.shots} shots": ("tab:blue", start | spsa),
        "COBYLA, exact": ("tab:orange", start | cobyla),
    }
    results = {name: run(plot, name, *job) for name, job in jobs.items()}
    print_table(results, exact)
    if options.save:
        options.save.parent.mkdir(parents=True, exist_ok=True)
        plot.figure.savefig(options.save, dpi=75)
        print(f"\nThe figure is in {options.save}")
    elif plot.is_shown:
        plt.show()


if __name__ == "__main__":
    main()
