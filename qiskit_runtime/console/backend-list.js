// The backends.
import { html, nothing } from "./vendor/lit.js";
import { read } from "./api.js";
import { address, PageElement } from "./element.js";
import { number } from "./formats.js";
import { printable } from "./printable.js";
import { texts } from "./texts.js";

class BackendList extends PageElement {
  static properties = { backends: { state: true }, error: { state: true } };

  async connectedCallback() {
    super.connectedCallback();
    document.title = `${texts.backends} - Qiskit Runtime`;
    try {
      this.backends = (await read("/backends")).backends;
    } catch (error) {
      this.error = error.message;
    }
  }

  render() {
    return html`<h1>${texts.backends}</h1>
      ${this.error ? html`<p role="alert">${this.error}</p>` : nothing}
      ${this.backends ? this.renderTable() : html`<p>${texts.loading}</p>`}`;
  }

  renderTable() {
    return html`<div class="scroll" tabindex="0" role="region" aria-label=${texts.backends}><table>
      <thead><tr><th scope="col">${texts.backend}</th><th scope="col">${texts.method}</th>
        <th scope="col">${texts.qubits}</th><td></td></tr></thead>
      <tbody>${this.backends.map((one) => html`<tr>
        <th scope="row"><a href=${address("backend", { name: one.name })}>${printable(one.name)}</a>
          <div class="quiet printed">${printable(one.description)}</div></th>
        <td>${one.method}</td><td>${one.qubits == null ? texts.asMemory : number(one.qubits)}</td>
        <td><a href=${address("", { backend: one.name })}>${texts.jobs}<span class="unseen"> ${printable(one.name)}</span></a></td></tr>`)}</tbody>
    </table></div>`;
  }
}

customElements.define("backend-list", BackendList);
