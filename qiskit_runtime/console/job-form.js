// The form that runs a program: a field for each parameter of its schema.
import { html, nothing } from "./vendor/lit.js";
import { path, read, send } from "./api.js";
import { address, go, PageElement } from "./element.js";
import { joinParams, listFields, splitParams } from "./fields.js";
import { addItem, asText, fillField, findPath, readDeep } from "./nested-fields.js";
import { renderField } from "./param-fields.js";
import { printable } from "./printable.js";
import { texts } from "./texts.js";

/** `program` is the API's; `origin` is the id of a job whose parameters the form begins with. */
class JobForm extends PageElement {
  static properties = {
    program: {},
    origin: {},
    backends: { state: true },
    errors: { state: true },
    error: { state: true },
    values: { state: true },
    isSending: { state: true },
    isReady: { state: true },
  };

  constructor() {
    super();
    Object.assign(this, { backends: [], errors: new Map(), error: "", values: new Map() });
  }

  willUpdate(changed) {
    if (changed.has("program") || changed.has("origin")) this.begin();
  }

  async begin() {
    this.fields = listFields(this.program.spec.parameters);
    this.values = new Map();
    for (const field of this.fields) if (field.isRequired && field.example) fillField(this.values, field, field.example);
    this.settings = { backend: "", tags: "", instance: "" };
    // Nobody types into a form that another job's parameters will fill.
    this.isReady = !this.origin;
    try {
      this.backends = (await read("/backends")).backends;
      if (this.origin) this.takeOrigin(await read(path("jobs", this.origin)));
    } catch (error) {
      this.error = error.status === 404 ? texts.jobGone : error.message;
    }
    this.isReady = true;
  }

  /** Fill the form with what another job had. */
  takeOrigin(job) {
    const given = splitParams(job.params[0] ?? "{}");
    const known = new Map(this.fields.map((field) => [field.name, field]));
    // A parameter that the schema does not name has a field too.
    for (const name of given.keys()) {
      if (!known.has(name)) this.fields.push(...listFields({ properties: { [name]: {} } }));
    }
    this.values = new Map();
    for (const field of this.fields) if (given.has(field.name)) fillField(this.values, field, given.get(field.name));
    const instance = [job.hub, job.group, job.project].join("/");
    this.settings = { backend: job.backend, tags: job.tags.join(", "), instance: instance === "//" ? "" : instance };
    this.whole = job.params[0];
  }

  set(path, text) {
    this.values = new Map(this.values).set(path, text);
  }

  /** Put a JSON text into a field. */
  fill(field, text) {
    fillField(this.values, field, text);
    this.requestUpdate();
  }

  addItem(field) {
    addItem(field);
    this.requestUpdate();
  }

  removeItem(field, item) {
    field.items = field.items.filter((one) => one !== item);
    this.requestUpdate();
  }

  turnIntoText(field) {
    asText(this.values, field);
    this.requestUpdate();
  }

  /** Return the body of POST /jobs, or null where a field is wrong. */
  readBody() {
    this.errors = new Map();
    const params = this.fields.length ? this.readFields() : this.readWhole();
    const [hub, group, project] = this.readInstance();
    if (this.errors.size) return null;
    const tags = this.settings.tags.split(",").map((one) => one.trim()).filter(Boolean);
    return { programId: this.program.id, hub, group, project, backend: this.settings.backend, tags, params: [params] };
  }

  readFields() {
    return joinParams(this.fields.map((field) => [field.name, readDeep(this.values, field, this.errors)]));
  }

  readWhole() {
    const text = this.values.get("") ?? this.whole ?? "{}";
    try {
      splitParams(text);
    } catch {
      this.errors.set("", texts.noObject);
    }
    return text;
  }

  readInstance() {
    const parts = this.settings.instance.trim().split("/");
    if (parts.length === 1 && !parts[0]) return ["", "", ""];
    if (parts.length !== 3) this.errors.set("instance", texts.badInstance);
    return parts;
  }

  async submit(event) {
    event.preventDefault();
    this.error = "";
    const body = this.readBody();
    if (!body) return this.focusError();
    this.isSending = true;
    try {
      const { id } = await send("POST", "/jobs", body);
      go(address("job", { id }));
    } catch (error) {
      this.showRefusal(error);
    }
    this.isSending = false;
  }

  /** Put what the server refused beside the field that it names. */
  showRefusal(error) {
    for (const { loc, msg } of error.fields ?? []) {
      const path = findPath(this.fields, loc) ?? this.fields.find(({ name }) => msg.includes(`${name}:`))?.path;
      if (path) this.errors.set(path, msg);
    }
    this.error = error.message;
    this.focusError();
  }

  async focusError() {
    this.requestUpdate();
    await this.updateComplete;
    this.querySelector("[aria-invalid]")?.focus();
  }

  render() {
    if (!this.isReady) return html`<p>${texts.loading}</p>`;
    return html`<form class="form" novalidate @submit=${this.submit}>
      ${this.origin ? html`<p role="status">${texts.edited(this.origin)}</p>` : nothing}
      ${this.fields.length ? this.fields.map((field) => renderField(this, field)) : this.renderWhole()}
      ${this.renderSettings()}
      ${this.error ? html`<p role="alert">${printable(this.error)}</p>` : nothing}
      <p><button class="main" ?disabled=${this.isSending}>${texts.run}</button></p></form>`;
  }

  renderWhole() {
    const error = this.errors.get("");
    return html`<div class="field"><label for="whole">${texts.paramsAsJson}</label>
      <textarea id="whole" spellcheck="false" aria-invalid=${error ? "true" : nothing}
        .value=${this.values.get("") ?? this.whole ?? "{}"} @input=${(event) => this.set("", event.target.value)}></textarea>
      ${error ? html`<p>${error}</p>` : nothing}</div>`;
  }

  renderSettings() {
    const set = (name) => (event) => (this.settings = { ...this.settings, [name]: event.target.value });
    const { backend, tags, instance } = this.settings;
    const error = this.errors.get("instance");
    return html`<div class="field"><label for="backend">${texts.backend}</label>
        <select id="backend" @change=${set("backend")}><option value="">${texts.defaultBackend}</option>
          ${this.backends.map(({ name }) => html`<option ?selected=${name === backend}>${printable(name)}</option>`)}</select></div>
      <div class="field"><label for="tags">${texts.tags}</label>
        <input id="tags" aria-describedby="tags-hint" .value=${tags} @input=${set("tags")} /><small id="tags-hint">${texts.tagsHint}</small></div>
      <div class="field"><label for="instance">${texts.instance}</label>
        <input id="instance" aria-describedby="instance-hint" aria-invalid=${error ? "true" : nothing} .value=${instance} @input=${set("instance")} />
        ${error ? html`<p>${error}</p>` : nothing}<small id="instance-hint">${texts.instanceHint}</small></div>`;
  }
}

customElements.define("job-form", JobForm);
