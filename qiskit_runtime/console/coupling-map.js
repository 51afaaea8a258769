// A coupling map as a picture: qubits, connections, and their errors as darkness.
import { html, svg } from "./vendor/lit.js";
import { PageElement } from "./element.js";
import { layOut } from "./graph-layout.js";
import { number } from "./formats.js";
import { texts } from "./texts.js";

const SIZE = 600;
const MARGIN = 20;
const MOST_QUBITS = 300;

/** `edges` are pairs of qubits with errors, `qubits` errors of readout; an error may be null. */
class CouplingMap extends PageElement {
  static properties = { qubits: {}, edges: {} };

  willUpdate() {
    if (this.qubits.length <= MOST_QUBITS) this.places = layOut(this.qubits.length, this.edges.map((one) => one.pair));
  }

  render() {
    const count = this.qubits.length;
    if (count > MOST_QUBITS) return html`<p>${texts.mapTooLarge(count)}</p>`;
    const scale = (one) => MARGIN + one * (SIZE - 2 * MARGIN);
    const points = this.places.map(({ x, y }) => ({ x: scale(x), y: scale(y) }));
    const height = Math.max(...points.map((one) => one.y)) + MARGIN;
    const most = Math.max(...this.edges.map((one) => one.error ?? 0), 1e-12);
    return html`<svg class="map" viewBox="0 0 ${SIZE} ${height}" role="img" aria-label=${texts.mapLabel(count, this.edges.length)}>
      ${this.edges.map((edge) => drawEdge(edge, points, most))} ${points.map((point, qubit) => drawQubit(point, qubit, this.qubits[qubit]))}
    </svg>`;
  }
}

function drawEdge({ pair: [a, b], error }, points, most) {
  const opacity = error == null ? 0.6 : 0.25 + 0.75 * (error / most);
  return svg`<line x1=${points[a].x} y1=${points[a].y} x2=${points[b].x} y2=${points[b].y} stroke-opacity=${opacity}>
    <title>${a}–${b}${error == null ? "" : `: ${number(error)}`}</title></line>`;
}

function drawQubit({ x, y }, qubit, error) {
  return svg`<g><circle cx=${x} cy=${y} r="9"></circle><text x=${x} y=${y}>${qubit}</text>
    <title>${texts.qubit} ${qubit}${error == null ? "" : `: ${number(error)}`}</title></g>`;
}

customElements.define("coupling-map", CouplingMap);
