// A value as a tree that opens: lists and objects by their parts, texts as text.
import { html, nothing } from "./vendor/lit.js";
import { PageElement } from "./element.js";
import { printable } from "./printable.js";
import { texts } from "./texts.js";

const PAGE = 100;
const LONG = 2000;

/** `text` is JSON; what is none is shown as it is. */
class ValueTree extends PageElement {
  static properties = { text: {}, wholeText: { state: true } };

  willUpdate(changed) {
    if (!changed.has("text")) return;
    this.opened = new Map();
    try {
      this.value = JSON.parse(this.text);
      this.isJson = true;
    } catch {
      this.isJson = false;
    }
  }

  render() {
    if (!this.isJson) return this.renderText(this.text, "");
    return html`<div class="tree">${this.renderNode("", this.value, "$", true)}</div>`;
  }

  renderNode(name, value, place, isOpen = false) {
    if (value === null || typeof value !== "object") {
      return html`<div class="leaf">${renderKey(name)}${this.renderLeaf(value, place)}</div>`;
    }
    const names = Object.keys(value);
    if (isOpen && !this.opened.has(place)) this.opened.set(place, PAGE);
    const shown = this.opened.get(place) ?? 0;
    return html`<details ?open=${isOpen} @toggle=${(event) => this.toggle(event, place)}>
      <summary>${renderKey(name)}<span class="quiet">${texts.entries(names.length)}</span></summary>
      ${names.slice(0, shown).map((one) => this.renderNode(one, value[one], `${place}\n${one}`))}
      ${shown && shown < names.length ? this.renderMore(place, names.length - shown) : nothing}</details>`;
  }

  toggle(event, place) {
    event.stopPropagation();
    if (!event.target.open || this.opened.has(place)) return;
    this.open(place, PAGE);
  }

  open(place, count) {
    this.opened.set(place, (this.opened.get(place) ?? 0) + count);
    this.requestUpdate();
  }

  renderMore(place, count) {
    const next = Math.min(count, PAGE);
    return html`<button @click=${() => this.open(place, PAGE)}>${texts.more(next)}</button>`;
  }

  renderLeaf(value, place) {
    if (typeof value === "string") return this.renderText(JSON.stringify(value), place);
    return html`<span class="value">${String(value)}</span>`;
  }

  renderText(text, place) {
    if (text.length <= LONG || this.opened.has(place)) return html`<span class="value">${printable(text)}</span>`;
    return html`<span class="value">${printable(text.slice(0, LONG))}…</span>
      <button @click=${() => this.open(place, 1)}>${texts.showAll} (${texts.characters(text.length)})</button>`;
  }
}

const renderKey = (name) => (name === "" ? nothing : html`<span class="key">${printable(name)}: </span>`);

customElements.define("value-tree", ValueTree);
