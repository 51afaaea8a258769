// The inputs of a form's fields; a group is a fieldset of others.
import { html, nothing } from "./vendor/lit.js";
import { printable } from "./printable.js";
import { texts } from "./texts.js";

/** Return a field as it is shown; `form` is the element that has values and errors, and sets them. */
export function renderField(form, field) {
  if (field.kind === "group") return renderGroup(form, field, printable(field.name));
  if (field.kind === "list") return renderList(form, field);
  const id = makeId(field);
  const error = form.errors.get(field.path);
  return html`<div class="field">
    <label for=${id}>${printable(field.name)} ${renderRequired(field)}</label>
    ${renderInput(form, field, id, error)}
    ${error ? html`<p id="${id}-error">${printable(error)}</p>` : nothing}
    <small id="${id}-hint">${printable(describe(field))}</small>
    ${!field.example ? nothing : html`<span><button type="button" @click=${() => form.fill(field, field.example)}>${texts.useExample}</button></span>`}
  </div>`;
}

const makeId = (field) => `field-${field.number}`;
const renderRequired = (field) => (field.isRequired ? html`<small>(${texts.required})</small>` : nothing);
const describe = (field) =>
  [field.description, field.default ? texts.defaultIs(field.default) : ""].filter(Boolean).join(" – ");

function renderGroup(form, field, legend, remove = nothing) {
  const error = form.errors.get(field.path);
  return html`<fieldset class="group"><legend>${legend} ${field.name ? renderRequired(field) : nothing}</legend>
    ${field.name ? html`<small>${printable(describe(field))}</small>` : nothing}
    ${error ? html`<p role="alert">${printable(error)}</p>` : nothing}
    ${field.fields.map((one) => renderField(form, one))}
    <p class="bar">${field.name ? renderAsText(form, field) : nothing}${remove}</p></fieldset>`;
}

function renderList(form, field) {
  const error = form.errors.get(field.path);
  const remove = (item) => html`<button type="button" @click=${() => form.removeItem(field, item)}>${texts.removeItem}</button>`;
  return html`<fieldset class="group"><legend>${printable(field.name)} ${renderRequired(field)}</legend>
    <small>${printable(describe(field))}</small>
    ${error ? html`<p role="alert">${printable(error)}</p>` : nothing}
    ${field.items.map((item, index) => renderItem(form, item, texts.item(printable(field.name), index + 1), remove(item)))}
    <p class="bar"><button type="button" @click=${() => form.addItem(field)}>${texts.addItem}</button> ${renderAsText(form, field)}</p></fieldset>`;
}

function renderItem(form, item, legend, remove) {
  if (item.kind === "group") return renderGroup(form, item, legend, remove);
  return html`${renderField(form, { ...item, name: legend })} <p>${remove}</p>`;
}

const renderAsText = (form, field) =>
  html`<button type="button" @click=${() => form.turnIntoText(field)}>${texts.asJson}<span class="unseen"> ${printable(field.name)}</span></button>`;

function renderInput(form, field, id, error) {
  const value = form.values.get(field.path) ?? "";
  const take = (event) => form.set(field.path, event.target.value);
  const described = `${id}-hint${error ? ` ${id}-error` : ""}`;
  const invalid = error ? "true" : nothing;
  if (field.kind === "choice" || field.kind === "flag") {
    const choices = field.kind === "flag" ? [true, false] : field.choices;
    return html`<select id=${id} aria-describedby=${described} aria-invalid=${invalid} @change=${take}>
      <option value="" ?selected=${value === ""}>${field.isRequired ? "" : texts.leaveDefault}</option>
      ${choices.map((one) => html`<option value=${JSON.stringify(one)} ?selected=${JSON.stringify(one) === value}>${printable(typeof one === "string" ? one : JSON.stringify(one))}</option>`)}
    </select>`;
  }
  if (field.kind === "json") {
    return html`<textarea id=${id} spellcheck="false" aria-describedby=${described} aria-invalid=${invalid} .value=${value} @input=${take}></textarea>`;
  }
  return html`<input id=${id} inputmode=${field.kind === "number" ? "decimal" : "text"} autocomplete="off"
    aria-describedby=${described} aria-invalid=${invalid} .value=${value} @input=${take} />`;
}
