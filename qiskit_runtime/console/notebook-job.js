// A job in a notebook: what the kernel has read of its stream, by the elements of the console.
import { html, nothing } from "./vendor/lit.js";
import { define, PageElement } from "./element.js";
import { number } from "./formats.js";
import { printable } from "./printable.js";
import { JobRecord } from "./record.js";
import { nameCurves } from "./series.js";
import { texts } from "./texts.js";
import "./convergence-plot.js";
import "./job-outcomes.js";
import "./log-view.js";

/** `model` is the kernel's: `facts` of the job, and its frames in parts that grow one after the other. */
class NotebookJob extends PageElement {
  static properties = { model: {}, version: { state: true } };

  constructor() {
    super();
    Object.assign(this, { record: new JobRecord(), reached: 0, taken: 0, version: 0 });
    this.take = () => this.takeParts();
  }

  connectedCallback() {
    super.connectedCallback();
    this.model.on("change", this.take);
    this.takeParts();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.model.off("change", this.take);
  }

  takeParts() {
    for (let frames; (frames = this.model.get(`part_${this.reached}`)); this.reached += 1) {
      this.record.take(frames.slice(this.taken));
      this.taken = frames.length;
      if (!this.model.get(`part_${this.reached + 1}`)) break;
      this.taken = 0;
    }
    this.version += 1;
  }

  render() {
    const facts = this.model.get("facts") ?? {};
    return html`<div class="bar" role="status">${this.renderStatus(facts)}</div>
      ${facts.error ? html`<p role="alert">${printable(facts.error)}</p>` : nothing}
      ${this.renderCurves(nameCurves(facts.interim_results))} <job-outcomes .text=${this.record.result}></job-outcomes> ${this.renderLog()}`;
  }

  renderStatus({ program, status, progress, note }) {
    const { count, dropped } = this.record;
    return html`<strong>${printable(program ?? texts.loading)}</strong>
      ${status ? html`<span class="status" data-status=${status}>${status}</span>` : nothing}
      ${progress ? this.renderProgress(progress) : nothing}
      <span>${texts.messages}: ${count}</span>
      ${dropped ? html`<span>${texts.gap(dropped)}</span>` : nothing}
      ${note ? html`<span class="quiet">${printable(note)}</span>` : nothing}`;
  }

  renderProgress({ done, total, best }) {
    return html`<span><progress max=${total || 1} value=${total ? done : 1} aria-label=${texts.detail}></progress>
      ${texts.progress(number(done), number(total))}${best == null ? nothing : html`, ${texts.best(number(best))}`}</span>`;
  }

  renderCurves(names) {
    const curves = this.record.listCurves(names);
    return curves.length ? html`<convergence-plot .curves=${curves}></convergence-plot>` : nothing;
  }

  renderLog() {
    const { lines, isCut } = this.record;
    if (!lines.length) return nothing;
    return html`<details open><summary>${texts.log}</summary>
      <log-view .lines=${lines} .count=${this.version} .isCut=${isCut}></log-view></details>`;
  }
}

define("notebook-job", NotebookJob);

/** Return the colours that a notebook's page has chosen: "light", "dark", or "" for the system's. */
function readTheme() {
  const { jpThemeLight, vscodeThemeKind } = document.body.dataset;
  if (jpThemeLight) return jpThemeLight === "true" ? "light" : "dark";
  return vscodeThemeKind ? /light/.exec(vscodeThemeKind)?.[0] ?? "dark" : "";
}

/** Show a job in a notebook's output, with the style sheets' texts; returns what ends it. */
export function render({ model, el }, styles) {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(styles);
  const root = el.attachShadow({ mode: "open" });
  root.adoptedStyleSheets = [sheet];
  const applyTheme = () => {
    el.dataset.theme = readTheme();
    dispatchEvent(new Event("themechange"));
  };
  const themes = new MutationObserver(applyTheme);
  themes.observe(document.body, { attributes: true });
  applyTheme();
  root.append(Object.assign(document.createElement("notebook-job"), { model }));
  return () => themes.disconnect();
}
