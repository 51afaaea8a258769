// Jobs beside each other: the difference of their parameters, their curves, their counts.
import { html, nothing } from "./vendor/lit.js";
import { path, read } from "./api.js";
import { address, PageElement } from "./element.js";
import { followRecord } from "./follow.js";
import { PENDING, seconds, span } from "./formats.js";
import { readOutcomes } from "./outcomes.js";
import { printable } from "./printable.js";
import { nameCurves } from "./series.js";
import { texts } from "./texts.js";
import "./convergence-plot.js";
import "./counts-choice.js";

const LONG = 200;
const POLL_MS = 1000;

class ComparePage extends PageElement {
  static properties = {
    jobs: {},
    found: { state: true },
    version: { state: true },
    error: { state: true },
    showAll: { state: true },
    chosen: { state: true },
  };

  willUpdate(changed) {
    if (changed.has("jobs") && String(this.jobs) !== this.loaded) this.load();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.stop();
  }

  stop() {
    this.stopPolling();
    for (const unfollow of this.unfollows ?? []) unfollow();
    this.unfollows = [];
  }

  async load() {
    this.stop();
    this.loaded = String(this.jobs);
    Object.assign(this, { found: null, error: "", version: 0, records: new Map(), names: new Map(), results: new Map(), counts: new Map() });
    this.chosen = null;
    document.title = `${texts.comparison(this.jobs.length)} - Qiskit Runtime`;
    if (this.jobs.length < 2 || this.jobs.length > 5) {
      this.error = texts.noCompare;
      return;
    }
    try {
      this.found = await Promise.all(this.jobs.map((id) => read(path("jobs", id))));
    } catch (error) {
      this.error = error.status === 404 ? texts.jobGone : error.message;
      return;
    }
    await Promise.allSettled(this.found.map((job) => this.loadNames(job.program)));
    if (!this.isConnected) return;
    this.unfollows = this.jobs.map((id) => followRecord(id, (record) => this.show(id, record)));
    this.poll(() => this.refresh());
  }

  /** Read again the jobs that had not ended; one that can't be read stays as it was. */
  async refresh() {
    const before = this.found;
    const isPending = (job) => PENDING.includes(job.status);
    const again = async (job) => ({ ...(await read(`${path("jobs", job.id)}?exclude_params=true`)), params: job.params });
    const found = await Promise.all(before.map((job) => (isPending(job) ? again(job).catch(() => job) : job)));
    if (this.found !== before) return 0;
    this.found = found;
    return found.some(isPending) ? POLL_MS : 0;
  }

  async loadNames(program) {
    const { spec } = await read(path("programs", program));
    this.names.set(program, nameCurves(spec.interim_results));
  }

  show(id, record) {
    this.records.set(id, record);
    this.version += 1;
    this.readResult(id, record.result);
  }

  async readResult(id, result) {
    // The record is the same while it grows.
    if (result == null || result === this.results.get(id)) return;
    this.results.set(id, result);
    const { counts } = await readOutcomes(result);
    this.counts.set(id, counts);
    this.version += 1;
  }

  render() {
    return html`<h1>${texts.comparison(this.jobs.length)}</h1>
      ${this.error ? html`<p role="alert">${this.error}</p>` : nothing}
      ${this.found ? html`${this.renderParams()} ${this.renderCurves()} ${this.renderCounts()}` : nothing}`;
  }

  renderParams() {
    const rows = [...this.listFacts(), ...this.listParams()];
    const shown = rows.filter((row) => this.showAll || row.differs);
    return html`<section><h2>${texts.difference}</h2>
      <p><label><input type="checkbox" .checked=${!this.showAll} @change=${(event) => (this.showAll = !event.target.checked)} /> ${texts.onlyDifferent}</label></p>
      <div class="scroll" tabindex="0" role="region" aria-label=${texts.difference}><table>
        <thead><tr><th scope="col">${texts.parameter}</th>${this.found.map((job) => html`<th scope="col"><a href=${address("job", { id: job.id })}>${nameJob(job)}</a></th>`)}</tr></thead>
        <tbody>${shown.map(renderRow)}</tbody></table></div>
      ${shown.length ? nothing : html`<p>${texts.allEqual}</p>`}</section>`;
  }

  listFacts() {
    const facts = [
      [texts.status, (job) => job.status],
      [texts.program, (job) => job.program],
      [texts.backend, (job) => job.backend],
      [texts.duration, (job) => span(seconds(job.started, job.finished))],
      [texts.seed("simulator"), (job) => String(job.seeds?.simulator ?? "–")],
    ];
    return facts.map(([name, of]) => makeRow(name, this.found.map(of)));
  }

  listParams() {
    const all = this.found.map((job) => readParams(job.params[0]));
    const names = [...new Set(all.flatMap((one) => Object.keys(one)))].sort();
    return names.map((name) => makeRow(name, all.map((one) => (Object.hasOwn(one, name) ? JSON.stringify(one[name]) : "–"))));
  }

  renderCurves() {
    const all = this.found.map((job) => [job, this.listCurves(job)]);
    const names = [...new Set(all.flatMap(([, curves]) => curves.map((curve) => curve.name)))];
    if (!names.length) return html`<section><h2>${texts.convergence}</h2><p>${texts.noCurves}</p></section>`;
    // Of each job its main curves, as far as one can tell them apart; all others can be added.
    const main = all.flatMap(([, curves]) => curves.filter((curve) => curve.isShown).slice(0, 2));
    const chosen = this.chosen ?? new Set(main.map((curve) => curve.name));
    return html`<section><h2>${texts.convergence}</h2>
      ${names.length > 1 ? this.renderChoice(names, chosen) : nothing}
      <convergence-plot .curves=${all.flatMap(([job, curves]) => pickCurves(job, curves, chosen))}></convergence-plot></section>`;
  }

  renderChoice(names, chosen) {
    return html`<fieldset class="bar"><legend>${texts.shownCurves}</legend>
      ${names.map((name) => html`<label><input type="checkbox" .checked=${chosen.has(name)}
        @change=${(event) => this.choose(name, event.target.checked, chosen)} /> ${printable(name)}</label>`)}</fieldset>`;
  }

  choose(name, isChosen, before) {
    const chosen = new Set(before);
    if (isChosen) chosen.add(name);
    else chosen.delete(name);
    this.chosen = chosen;
  }

  listCurves(job) {
    const record = this.records.get(job.id);
    if (!record) return [];
    const series = record.values.isEmpty ? record.progress : record.values;
    return series.list(this.names.get(job.program));
  }

  renderCounts() {
    const sets = this.found.map((job) => labelCounts(job, this.counts.get(job.id) ?? []));
    if (!sets.flat().length) return nothing;
    // Of each job one, as they are likely the same; all others can be added.
    const first = sets.filter((one) => one.length).map(([one]) => one.label);
    return html`<section><h2>${texts.counts}</h2><counts-choice .sets=${sets.flat()} .first=${first}></counts-choice></section>`;
  }
}

const nameJob = (job) => `${printable(job.program)} ${job.id.slice(0, 8)}`;

/** Return the chosen curves of a job, named by the job too. */
function pickCurves(job, curves, chosen) {
  const picked = curves.filter((curve) => chosen.has(curve.name));
  return picked.map((curve) => ({ ...curve, isShown: true, name: `${nameJob(job)} ${curve.name}` }));
}

function makeRow(name, values) {
  return { name, values, differs: values.some((one) => one !== values[0]) };
}

function renderRow({ name, values, differs }) {
  const shorten = (text) => (text.length > LONG ? `${text.slice(0, LONG)}…` : text);
  return html`<tr class=${differs ? "differs" : ""}><th scope="row">${printable(name)}</th>
    ${values.map((value) => html`<td class="printed">${printable(shorten(value))}</td>`)}</tr>`;
}

function readParams(text) {
  try {
    return JSON.parse(text ?? "{}");
  } catch {
    return {};
  }
}

/** Return counts with labels that name the job, and the set where it has several. */
function labelCounts(job, counts) {
  const name = (set) => (counts.length > 1 ? `${nameJob(job)} ${set.label}` : nameJob(job));
  return counts.map((set) => ({ ...set, label: name(set) }));
}

customElements.define("compare-page", ComparePage);
