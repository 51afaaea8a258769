// The programs, and the place where new ones are dropped.
import { html, nothing } from "./vendor/lit.js";
import { read, send } from "./api.js";
import { address, PageElement } from "./element.js";
import { printable } from "./printable.js";
import { texts } from "./texts.js";

class ProgramList extends PageElement {
  static properties = {
    programs: { state: true },
    error: { state: true },
    note: { state: true },
    isOver: { state: true },
  };

  connectedCallback() {
    super.connectedCallback();
    document.title = `${texts.programs} - Qiskit Runtime`;
    this.load();
  }

  async load() {
    try {
      this.programs = (await read("/programs")).programs;
    } catch (error) {
      this.error = error.message;
    }
  }

  async upload(file) {
    if (!file) return;
    Object.assign(this, { error: "", note: "" });
    try {
      const name = file.name.replace(/\.(py|tar|tar\.gz|tgz)$/i, "");
      const data = encode(new Uint8Array(await file.arrayBuffer()));
      const { id, warnings } = await send("POST", "/programs", { name, data });
      this.note = [texts.uploaded(id), ...(warnings ?? [])].join(" ");
      await this.load();
    } catch (error) {
      this.error = error.message;
    }
  }

  drop(event) {
    event.preventDefault();
    this.isOver = false;
    this.upload(event.dataTransfer.files[0]);
  }

  over(event, isOver) {
    event.preventDefault();
    this.isOver = isOver;
  }

  render() {
    return html`<h1>${texts.programs}</h1>
      ${this.error ? html`<p role="alert">${printable(this.error)}</p>` : nothing}
      ${this.note ? html`<p role="status">${printable(this.note)}</p>` : nothing}
      ${this.programs ? this.renderTable() : html`<p>${texts.loading}</p>`} ${this.renderDrop()}`;
  }

  renderTable() {
    return html`<div class="scroll" tabindex="0" role="region" aria-label=${texts.programs}><table>
      <thead><tr><th scope="col">${texts.program}</th><th scope="col">${texts.version}</th><td></td></tr></thead>
      <tbody>${this.programs.map((one) => html`<tr>
        <th scope="row"><a href=${address("program", { id: one.id })}>${printable(one.name)}</a>
          <div class="quiet printed">${printable(one.description)}</div></th>
        <td>${printable(one.version)}</td>
        <td><a href=${address("", { program: one.id })}>${texts.jobs}<span class="unseen"> ${printable(one.name)}</span></a></td></tr>`)}</tbody>
    </table></div>`;
  }

  renderDrop() {
    return html`<section class="drop ${this.isOver ? "over" : ""}" @drop=${this.drop}
      @dragover=${(event) => this.over(event, true)} @dragleave=${(event) => this.over(event, false)}>
      <h2>${texts.upload}</h2><p>${texts.uploadHint}</p>
      <label>${texts.uploadFile} <input type="file" accept=".py,.tar,.gz,.tgz" @change=${(event) => this.upload(event.target.files[0])} /></label></section>`;
  }
}

/** Return bytes in base64. */
function encode(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

customElements.define("program-list", ProgramList);
