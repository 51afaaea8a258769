// The page of a backend: what it simulates, its map, its errors.
import { html, nothing } from "./vendor/lit.js";
import { path, read } from "./api.js";
import { address, PageElement } from "./element.js";
import { number } from "./formats.js";
import { printable } from "./printable.js";
import { texts } from "./texts.js";
import "./coupling-map.js";

class BackendPage extends PageElement {
  static properties = { backend: {}, found: { state: true }, error: { state: true } };

  willUpdate(changed) {
    if (changed.has("backend")) this.load();
  }

  async load() {
    Object.assign(this, { found: null, error: "" });
    document.title = `${this.backend} - Qiskit Runtime`;
    const documents = path("api", "v1", "backends", this.backend);
    try {
      const spec = await read(path("backends", this.backend));
      const configuration = await read(`${documents}/configuration`);
      const properties = await read(`${documents}/properties`);
      this.found = { spec, configuration, ...readErrors(configuration, properties) };
    } catch (error) {
      this.error = error.status === 404 ? texts.noBackend : error.message;
    }
  }

  render() {
    return html`<h1>${printable(this.backend)}</h1>
      ${this.error ? html`<p role="alert">${printable(this.error)}</p>` : nothing}
      ${this.found ? this.renderFound() : this.error ? nothing : html`<p>${texts.loading}</p>`}`;
  }

  renderFound() {
    const { spec, configuration, edges, qubits } = this.found;
    return html`<p class="printed">${printable(spec.description)}</p>
      <p><a href=${address("", { backend: this.backend })}>${texts.jobs}</a></p>
      <section><dl><dt>${texts.method}</dt><dd>${spec.method}</dd>
        <dt>${texts.qubits}</dt><dd>${spec.qubits == null && !edges.length ? texts.asMemory : number(configuration.n_qubits)}</dd>
        <dt>${texts.basisGates}</dt><dd>${configuration.basis_gates.join(", ")}</dd></dl></section>
      <section><h2>${texts.couplingMap}</h2>
        ${edges.length ? html`<coupling-map .qubits=${qubits} .edges=${edges}></coupling-map>` : html`<p>${texts.noMap}</p>`}</section>
      ${this.renderErrors()}`;
  }

  renderErrors() {
    const { edges, qubits } = this.found;
    const isNoisy = [...qubits, ...edges.map((one) => one.error)].some((one) => one);
    if (!isNoisy) return html`<section><h2>${texts.errors}</h2><p>${texts.noErrors}</p></section>`;
    return html`<section><details><summary>${texts.errors}</summary><div class="columns">
      ${renderTable(texts.qubit, texts.readoutError, qubits.map((error, index) => [index, error]))}
      ${renderTable(texts.edge, texts.gateError, edges.map(({ pair, error }) => [pair.join("–"), error]))}
    </div></details></section>`;
  }
}

function renderTable(name, value, rows) {
  const known = rows.filter(([, error]) => error != null);
  if (!known.length) return nothing;
  return html`<table><thead><tr><th scope="col">${name}</th><th scope="col">${value}</th></tr></thead>
    <tbody>${known.map(([label, error]) => html`<tr><th scope="row">${label}</th><td class="number">${number(error)}</td></tr>`)}</tbody></table>`;
}

/** Return connections and qubits with their errors, from a backend's documents. */
function readErrors(configuration, properties) {
  const errors = new Map();
  for (const { qubits, parameters } of properties?.gates ?? []) {
    const error = parameters.find((one) => one.name === "gate_error")?.value;
    if (qubits.length === 2 && error != null) errors.set(key(qubits), error);
  }
  const pairs = new Map((configuration.coupling_map ?? []).map((pair) => [key(pair), [...pair].sort((a, b) => a - b)]));
  const edges = [...pairs].map(([name, pair]) => ({ pair, error: errors.get(name) ?? null }));
  const measured = (properties?.qubits ?? []).map((facts) => facts.find((one) => one.name === "readout_error")?.value ?? null);
  const qubits = edges.length || measured.length < 1000 ? measured : [];
  if (!qubits.length && edges.length) qubits.push(...Array(configuration.n_qubits).fill(null));
  return { edges, qubits };
}

const key = (pair) => [...pair].sort((a, b) => a - b).join("-");

customElements.define("backend-page", BackendPage);
