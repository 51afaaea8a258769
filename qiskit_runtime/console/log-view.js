// A log: its lines in a window of a bounded size, searched as a whole, with a link to each line.
import { html, nothing, repeat } from "./vendor/lit.js";
import { address, define, PageElement } from "./element.js";
import { printable } from "./printable.js";
import { save } from "./save.js";
import { texts } from "./texts.js";

const WINDOW = 1000;
const STEP = 500;

/** `lines` have numbers of the record and text; `count` says when there are more; `job` is what links to lines lead to. */
class LogView extends PageElement {
  static properties = {
    lines: {},
    count: {},
    isCut: {},
    job: {},
    linked: {},
    begin: { state: true },
    wanted: { state: true },
    found: { state: true },
    at: { state: true },
    isFollowing: { state: true },
    isWrapped: { state: true },
  };

  constructor() {
    super();
    Object.assign(this, { lines: [], count: 0, begin: 0, wanted: "", found: [], at: 0, took: 0 });
    this.isFollowing = true;
  }

  willUpdate(changed) {
    if (changed.has("linked") && this.linked) this.isFollowing = false;
    if (this.isFollowing) this.begin = Math.max(0, this.lines.length - WINDOW);
    if (changed.has("count") && this.wanted) this.search(this.wanted, { isNew: false });
  }

  updated() {
    this.goToLinked();
    if (this.isFollowing && this.list) this.list.scrollTop = this.list.scrollHeight;
  }

  get list() {
    return this.querySelector(".log");
  }

  /** Go to the line of the address, once it is there. */
  goToLinked() {
    if (!this.linked || this.linked === this.reached) return;
    const index = this.findLinked();
    if (index < 0) return;
    this.reached = this.linked;
    this.show(index, ".linked");
  }

  async show(index, selector) {
    this.isFollowing = false;
    if (index < this.begin || index >= this.begin + WINDOW) this.begin = Math.max(0, index - STEP / 2);
    this.requestUpdate();
    await this.updateComplete;
    this.querySelector(selector)?.scrollIntoView({ block: "nearest" });
  }

  search(wanted, { isNew = true } = {}) {
    const start = performance.now();
    this.wanted = wanted;
    this.found = wanted ? findLines(this.lines, wanted) : [];
    this.took = performance.now() - start;
    if (!isNew) return;
    this.at = 0;
    if (this.found.length) this.show(this.found[0], ".current");
  }

  turn(by) {
    if (!this.found.length) return;
    this.at = (this.at + by + this.found.length) % this.found.length;
    this.show(this.found[this.at], ".current");
  }

  onKey(event) {
    if (event.key !== "Enter") return;
    event.preventDefault();
    this.turn(event.shiftKey ? -1 : 1);
  }

  render() {
    if (!this.lines.length) return html`<p>${texts.noLog}</p>`;
    this.linkedIndex = this.linked ? this.findLinked() : -1;
    const end = Math.min(this.lines.length, this.begin + WINDOW);
    return html`${this.renderTools()}
      ${this.begin ? this.renderMove(texts.earlier(this.begin), -STEP) : nothing}
      <ol class="log ${this.isWrapped ? "wrapped" : ""}" tabindex="0" aria-label=${texts.log}>
        ${repeat(this.lines.slice(this.begin, end), (one) => one.line, (one, index) => this.renderLine(one, this.begin + index))}
      </ol>
      ${end < this.lines.length ? this.renderMove(texts.later(this.lines.length - end), STEP) : nothing}
      ${this.isCut ? html`<p>${texts.logCut}</p>` : nothing}`;
  }

  renderTools() {
    const text = () => this.lines.map((one) => one.text).join("\n") + "\n";
    return html`<div class="bar">
      <label>${texts.searchLog} <input type="search" @input=${(event) => this.search(event.target.value)} @keydown=${this.onKey} /></label>
      ${this.wanted ? this.renderFound() : nothing}
      <label><input type="checkbox" .checked=${this.isFollowing} @change=${(event) => (this.isFollowing = event.target.checked)} /> ${texts.followLog}</label>
      <label><input type="checkbox" .checked=${!!this.isWrapped} @change=${(event) => (this.isWrapped = event.target.checked)} /> ${texts.wrap}</label>
      <button @click=${() => save(`${this.job || "job"}.log`, text())}>${texts.downloadLog}</button></div>`;
  }

  renderFound() {
    const place = this.found.length ? this.at + 1 : 0;
    return html`<span role="status">${texts.found(place, this.found.length, Math.round(this.took))}</span>
      <button @click=${() => this.turn(-1)}>${texts.previousFind}</button>
      <button @click=${() => this.turn(1)}>${texts.nextFind}</button>`;
  }

  renderMove(label, by) {
    const move = () => {
      this.isFollowing = false;
      this.begin = Math.min(Math.max(0, this.begin + by), Math.max(0, this.lines.length - WINDOW));
    };
    return html`<p><button @click=${move}>${label}</button></p>`;
  }

  renderLine({ line, text }, index) {
    const isCurrent = this.found[this.at] === index;
    const isFound = isCurrent || (this.wanted && contains(text, this.wanted.toLowerCase()));
    const isLinked = index === this.linkedIndex;
    const classes = [isFound && "found", isCurrent && "current", isLinked && "linked"].filter(Boolean).join(" ");
    return html`<li class=${classes}>${this.renderNumber(line)}<span>${printable(text)}</span></li>`;
  }

  renderNumber(line) {
    // A notebook has no addresses of lines.
    if (!this.job) return html`<b>${line}</b>`;
    return html`<a href=${address("job", { id: this.job, line })} aria-label=${texts.linkLine(line)}>${line}</a>`;
  }

  findLinked() {
    return this.lines.findIndex(({ line }) => line >= this.linked);
  }
}

// Faster than a pattern that ignores the case: 20 MB within 200 ms.
const contains = (text, lower) => text.toLowerCase().includes(lower);

/** Return the places of the lines that contain a text, whatever its case. */
export function findLines(lines, wanted) {
  const lower = wanted.toLowerCase();
  const found = [];
  for (let index = 0; index < lines.length; index += 1) if (contains(lines[index].text, lower)) found.push(index);
  return found;
}

define("log-view", LogView);
