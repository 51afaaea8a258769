// The page of a job: its course, its curves, its counts, its result and its log.
import { html, nothing } from "./vendor/lit.js";
import { path, read, send } from "./api.js";
import { CircuitFinder } from "./circuits.js";
import { address, go, PageElement } from "./element.js";
import { followRecord } from "./follow.js";
import { PENDING } from "./formats.js";
import { printable } from "./printable.js";
import { JobRecord } from "./record.js";
import { copy, save } from "./save.js";
import { nameCurves } from "./series.js";
import { texts } from "./texts.js";
import "./convergence-plot.js";
import "./job-outcomes.js";
import "./job-timeline.js";
import "./log-view.js";
import "./value-tree.js";

const POLL_MS = 1000;
const LARGE_PARAMS = 200_000;
const LONG_MESSAGE = 500;

class JobPage extends PageElement {
  static properties = {
    job: {},
    line: {},
    found: { state: true },
    place: { state: true },
    record: { state: true },
    drawings: { state: true },
    version: { state: true },
    error: { state: true },
    note: { state: true },
    source: { state: true },
    showsMessages: { state: true },
  };

  updated(changed) {
    if (changed.has("job") && this.job) this.load();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.unfollow?.();
  }

  async load() {
    this.unfollow?.();
    Object.assign(this, { found: null, place: null, record: new JobRecord(), version: 0 });
    this.drawings = [];
    Object.assign(this, { error: "", note: "", source: "", names: {}, params: null });
    document.title = `${this.job.slice(0, 8)} - Qiskit Runtime`;
    const id = this.job;
    try {
      const found = await read(path("jobs", id));
      if (id !== this.job) return;
      this.params = found.params;
      this.found = found;
    } catch (error) {
      this.error = error.status === 404 ? texts.jobGone : error.message;
      return;
    }
    this.loadNames(id);
    this.poll(() => this.refresh(id));
    this.unfollow = followRecord(id, (record, code) => this.show(id, record, code));
  }

  /** Load what the program calls its interim results; its curves have their places' numbers else. */
  async loadNames(id) {
    try {
      const program = await read(path("programs", this.found.program));
      if (id !== this.job) return;
      this.names = nameCurves(program.spec.interim_results);
      this.version += 1;
    } catch {
      this.names = {};
    }
  }

  async refresh(id) {
    if (!PENDING.includes(this.found.status)) return 0;
    try {
      const found = await read(`${path("jobs", id)}?exclude_params=true`);
      const place = found.status === "Queued" ? (await read(`/queue?id=${encodeURIComponent(id)}`)).jobs[0] : null;
      if (id !== this.job) return 0;
      [this.found, this.place, this.error] = [{ ...found, params: this.params }, place, ""];
    } catch (error) {
      this.error = error.status === 404 ? texts.jobGone : error.message;
      if (error.status === 404) return 0;
    }
    return POLL_MS;
  }

  show(id, record, code) {
    if (id !== this.job) return;
    if (record !== this.record) this.finder = new CircuitFinder();
    this.record = record;
    this.version += 1;
    this.findDrawings(record.lines);
    if (code === 1000) this.poll(() => this.refresh(id));
    if (code === 4404) this.error = texts.jobGone;
    if (code === 4410) this.note = texts.streamGone;
    if (code === 1008) this.note = texts.streamWithdrawn;
  }

  findDrawings(lines) {
    this.drawings = this.finder.find(lines);
    if (this.drawings.length) import("./circuit-drawings.js");
  }

  async act(work) {
    try {
      await work();
    } catch (error) {
      this.note = texts.error(error.message);
    }
  }

  cancel() {
    if (!confirm(texts.cancelSure)) return;
    this.act(async () => {
      await send("POST", path("jobs", this.job, "cancel"));
      this.poll(() => this.refresh(this.job));
    });
  }

  delete() {
    if (!confirm(texts.deleteSure)) return;
    this.act(async () => {
      await send("DELETE", path("jobs", this.job));
      go("/");
    });
  }

  runAgain() {
    this.act(async () => {
      const { runAgain } = await import("./run-again.js");
      go(address("job", { id: await runAgain(this.found) }));
    });
  }

  async share() {
    const isCopied = await copy(location.origin + address("job", { id: this.job }));
    this.note = isCopied ? texts.shared : texts.notShared;
  }

  render() {
    if (!this.found) return this.error ? this.renderError() : html`<p>${texts.loading}</p>`;
    const { program, status } = this.found;
    return html`<h1>${texts.jobOf(printable(program))} <span class="status" data-status=${status}>${status}</span></h1>
      <p><code>${this.job}</code></p>
      ${this.renderError()} ${this.renderActions()}
      ${this.note ? html`<p role="status">${printable(this.note)}</p>` : nothing}
      <div class="columns">${this.renderTimeline()} ${this.renderFacts()}</div>
      ${this.renderCurves()} ${this.renderDrawings()} <job-outcomes .text=${this.record.result}></job-outcomes> ${this.renderResult()} ${this.renderMessages()}
      ${this.renderParams()} ${this.renderLog()}`;
  }

  renderError() {
    const isBad = this.found && this.found.status !== "Completed" && !PENDING.includes(this.found.status);
    const text = this.error || (isBad ? this.found.message : "");
    return text ? html`<p role="alert">${printable(text)}</p>` : nothing;
  }

  renderActions() {
    const isPending = PENDING.includes(this.found.status);
    return html`<p class="bar" role="group" aria-label=${texts.actions}>
      ${isPending ? html`<button @click=${this.cancel}>${texts.cancel}</button>` : html`<button @click=${this.delete}>${texts.delete}</button>`}
      <button @click=${this.runAgain} ?disabled=${isPending || !this.params.length} title=${isPending ? texts.runAgainHint : ""}>${texts.runAgain}</button>
      ${this.params.length ? html`<a class="button" href=${address("program", { id: this.found.program, from: this.job })}>${texts.runEdited}</a>` : nothing}
      <button @click=${this.share}>${texts.share}</button></p>`;
  }

  renderTimeline() {
    return html`<section><h2>${texts.timeline}</h2><job-timeline .job=${this.found} .place=${this.place}></job-timeline></section>`;
  }

  renderFacts() {
    const { backend, hub, group, project, tags, seeds, versions } = this.found;
    const rows = [
      [texts.backend, backend],
      [texts.instance, [hub, group, project].join("/").replace(/^\/\/$/, "–")],
      [texts.tags, tags.join(", ") || "–"],
      ...Object.entries(seeds ?? {}).map(([name, seed]) => [texts.seed(name), seed]),
      ...Object.entries(versions ?? {}),
    ];
    return html`<section><h2>${texts.facts}</h2>
      <dl>${rows.map(([name, value]) => html`<dt>${printable(name)}</dt><dd>${printable(value)}</dd>`)}</dl>
      ${seeds || versions ? nothing : html`<p class="quiet">${texts.factsLater}</p>`}</section>`;
  }

  renderCurves() {
    const { values, progress } = this.record;
    if (values.isEmpty && progress.isEmpty) return nothing;
    return html`<section><h2>${texts.convergence}</h2>
      ${values.isEmpty || progress.isEmpty ? nothing : this.renderSources()}
      <convergence-plot .curves=${this.record.listCurves(this.names, this.source)}></convergence-plot></section>`;
  }

  renderSources() {
    return html`<p><label>${texts.curvesFrom}
      <select @change=${(event) => (this.source = event.target.value)}>
        <option value="messages">${texts.fromMessages}</option><option value="progress">${texts.fromProgress}</option>
      </select></label></p>`;
  }

  renderDrawings() {
    if (!this.drawings.length) return nothing;
    return html`<section><h2>${texts.circuits}</h2>
      <circuit-drawings .drawings=${this.drawings} .job=${this.job}></circuit-drawings></section>`;
  }

  renderResult() {
    const { result } = this.record;
    const none = PENDING.includes(this.found.status) ? texts.noResult : texts.noResultAtAll;
    return html`<section><h2>${texts.result}</h2>
      ${result == null
        ? html`<p>${none}</p>`
        : html`<value-tree .text=${result}></value-tree>
            <p><button @click=${() => save(`${this.job}.json`, result, "application/json")}>${texts.downloadResult}</button></p>`}
    </section>`;
  }

  renderMessages() {
    const { count, dropped, newestMessages } = this.record;
    if (!count && !dropped) return nothing;
    return html`<section><details @toggle=${(event) => (this.showsMessages = event.target.open)}>
      <summary>${texts.messages} (${count})</summary>
      ${this.showsMessages ? this.renderNewest(newestMessages, count) : nothing}
      ${dropped ? html`<p>${texts.gap(dropped)}</p>` : nothing}
    </details></section>`;
  }

  renderNewest(messages, count) {
    const shorten = (text) => (text.length > LONG_MESSAGE ? `${text.slice(0, LONG_MESSAGE)}…` : text);
    return html`<p class="quiet">${texts.messagesShown(messages.length, count)}</p>
      ${messages.map(({ number, text }) => html`<div class="leaf">${number}: <span class="printed">${printable(shorten(text))}</span></div>`)}`;
  }

  renderParams() {
    const [text] = this.params;
    return html`<section><h2>${texts.parameters}</h2>
      ${text == null
        ? html`<p>${texts.paramsHidden}</p>`
        : html`${text.length <= LARGE_PARAMS ? html`<value-tree .text=${text}></value-tree>` : html`<p>${texts.characters(text.length)}</p>`}
            <p><button @click=${() => save(`${this.job}-parameters.json`, text, "application/json")}>${texts.downloadParams}</button></p>`}
    </section>`;
  }

  renderLog() {
    const { lines, isCut } = this.record;
    return html`<section><h2>${texts.log}</h2>
      <log-view .lines=${lines} .count=${this.version} .isCut=${isCut} .job=${this.job}
        .linked=${Number(this.line) || 0}></log-view></section>`;
  }
}

customElements.define("job-page", JobPage);
