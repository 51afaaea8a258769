// The page of a program: what it does, and the form that runs it.
import { html, nothing } from "./vendor/lit.js";
import { path, read } from "./api.js";
import { PageElement } from "./element.js";
import { moment, span } from "./formats.js";
import { printable } from "./printable.js";
import { texts } from "./texts.js";
import "./job-form.js";

class ProgramPage extends PageElement {
  static properties = { program: {}, origin: {}, found: { state: true }, error: { state: true } };

  willUpdate(changed) {
    if (changed.has("program")) this.load();
  }

  async load() {
    Object.assign(this, { found: null, error: "" });
    document.title = `${this.program} - Qiskit Runtime`;
    try {
      this.found = await read(path("programs", this.program));
    } catch (error) {
      this.error = error.status === 404 ? texts.noProgram : error.message;
    }
  }

  render() {
    if (this.error) return html`<h1>${printable(this.program)}</h1><p role="alert">${this.error}</p>`;
    if (!this.found) return html`<p>${texts.loading}</p>`;
    const { id, name, description, version, data } = this.found;
    return html`<h1>${texts.runProgram(printable(name))}</h1>
      <p class="printed">${printable(description)}</p>
      <p class="quiet">${texts.version} ${printable(version)}, ${texts.timeLimit} ${span(this.found.max_execution_time)}
        ${data === undefined ? nothing : html`, ${moment(this.found.update_date)}, <a href=${path("programs", id, "data")} download=${`${id}.py`}>${texts.source}</a>`}</p>
      <section><h2>${texts.parameters}</h2><job-form .program=${this.found} .origin=${this.origin}></job-form></section>`;
  }
}

customElements.define("program-page", ProgramPage);
