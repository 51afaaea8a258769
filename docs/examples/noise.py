"""Run a GHZ state on backends of one's own: how noise spoils it, and what mitigation gives back."""

import argparse
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from qiskit import QuantumCircuit

from qiskit_runtime.client import Client, Job

QUBITS = 3
SHOTS = 8192
SWEEPS = {"readout": "readout noise", "gates": "noise of two-qubit gates"}

Shares = dict[str, float]


def make_ghz() -> QuantumCircuit:
    """All zeros and all ones, at once."""
    circuit = QuantumCircuit(QUBITS)
    circuit.h(0)
    for qubit in range(QUBITS - 1):
        circuit.cx(qubit, qubit + 1)
    circuit.measure_all()
    return circuit


def run_ghz(client: Client, backend: str) -> Job:
    """Run the circuit on a backend, with readout mitigation."""
    return client.run(
        "circuit-runner",
        backend=backend,
        circuits=make_ghz(),
        shots=SHOTS,
        measurement_error_mitigation=True,
        seed_simulator=7,
    )


def read_shares(job: Job) -> tuple[Shares, Shares]:
    """Each outcome's share of the shots, as measured and after mitigation."""
    data = job.result()["results"][0]["data"]
    measured = {outcome: count / SHOTS for outcome, count in data["counts"].items()}
    return spell(measured), spell(data["quasiprobabilities"])


def spell(shares: Shares) -> Shares:
    """The outcomes in bits, in order, where the result has them in hexadecimal."""
    bits = {f"{int(outcome, 16):0{QUBITS}b}": share for outcome, share in shares.items()}
    return dict(sorted(bits.items()))


def find_error(shares: Shares) -> float:
    """The distance (of total variation) from the ideal: 0 is equal, 1 has nothing in common."""
    ideal = {"0" * QUBITS: 0.5, "1" * QUBITS: 0.5}
    outcomes = ideal.keys() | shares.keys()
    return sum(abs(ideal.get(one, 0) - shares.get(one, 0)) for one in outcomes) / 2


def show_table(client: Client, backends: list[str]) -> None:
    """Print each outcome's share on these backends, as measured and after mitigation."""
    jobs = [run_ghz(client, name) for name in backends]
    columns = [shares for job in jobs for shares in read_shares(job)]
    print(f"{'outcome':8}" + "".join(f"{name:>15}{'mitigated':>11}" for name in backends))
    widths = [15, 11] * len(backends)
    for outcome in sorted(set[str]().union(*columns)):
        cells = zip(columns, widths, strict=True)
        row = "".join(f"{shares.get(outcome, 0):{width}.2%}" for shares, width in cells)
        print(f"{outcome:8}{row}")
    errors = zip(map(find_error, columns), widths, strict=True)
    print(f"{'error':8}" + "".join(f"{error:{width}.2%}" for error, width in errors))


def find_strength(backend: dict[str, Any]) -> float:
    """Return the strength of a backend's noise, from its description."""
    noise = backend["noise"]
    if readout := noise.get("readout"):
        return float(readout["prob1Given0"])
    return float(noise["depolarizing"]["twoQubit"])


def sweep(client: Client, kind: str) -> list[tuple[float, float, float]]:
    """The strength, and the errors without mitigation and with it, of all backends of a kind."""
    backends = [one for one in client.backends() if one.name.startswith(kind + "-")]
    jobs = [run_ghz(client, backend.name) for backend in backends]
    rows = []
    for backend, job in zip(backends, jobs, strict=True):
        measured, mitigated = read_shares(job)
        strength = find_strength(backend.fields)
        rows.append((strength, find_error(measured), find_error(mitigated)))
    return sorted(rows)


def draw(rows: dict[str, list[tuple[float, float, float]]]) -> plt.Figure:
    """Error against strength, a panel for each kind of noise."""
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
    for panel, (kind, found) in zip(panels, rows.items(), strict=True):
        strength, measured, mitigated = zip(*found, strict=True)
        panel.plot([100 * x for x in strength], [100 * x for x in measured], "o-", label="measured")
        panel.plot(
            [100 * x for x in strength], [100 * x for x in mitigated], "s--", label="mitigated"
        )
        panel.set(title=SWEEPS[kind].capitalize(), xlabel=f"{SWEEPS[kind]} [%]")
        panel.grid(alpha=0.3)
        panel.legend()
    panels[0].set_ylabel(f"error of a {QUBITS}-qubit GHZ state [%]")
    return figure


def main() -> None:
    """Print the table, then the sweeps, and draw them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("backends", nargs="*", help="the backends of the table")
    parser.add_argument("--save", type=Path, help="sweep, and write the figure to this file")
    options = parser.parse_args()
    with Client() as client:
        if options.backends:
            show_table(client, options.backends)
        rows = {kind: sweep(client, kind) for kind in SWEEPS if options.save}
    if options.save:
        print(f"{'noise':26}{'strength':>9}{'measured':>10}{'mitigated':>11}")
        for kind, found in rows.items():
            for strength, measured, mitigated in found:
                print(f"{SWEEPS[kind]:26}{strength:9.1%}{measured:10.2%}{mitigated:11.2%}")
        options.save.parent.mkdir(parents=True, exist_ok=True)
        draw(rows).savefig(options.save, dpi=80)
        print(f"\nThe figure is in {options.save}")


if __name__ == "__main__":
    main()
