// The table of jobs: live, filtered, sorted, in pages.
import { html, repeat } from "./vendor/lit.js";
import { read } from "./api.js";
import { address, go, PageElement } from "./element.js";
import { ago, moment, number, PENDING, seconds, span } from "./formats.js";
import { printable } from "./printable.js";
import { texts } from "./texts.js";

const PAGE = 50;
const STATUSES = ["Queued", "Running", "Completed", "Failed", "Cancelled"];
const MOST_TO_COMPARE = 5;
const BUSY_MS = 1500;
const CALM_MS = 4000;
/** The columns that sort, with the API's name of their order, and whether the largest come first. */
const COLUMNS = [
  [texts.program, "program", false],
  [texts.status, "status", false],
  [texts.backend, "backend", false],
  [texts.created, "created", true],
  [texts.duration, "duration", true],
];
const FILTERS = ["status", "program", "backend", "tags", "hub", "group", "project", "search"];

/** Return the values of the filter that an address has. */
function readFields(query) {
  const named = FILTERS.map((name) => [name, query.getAll(name)]);
  return Object.fromEntries(named.filter(([, values]) => values.length));
}

class JobList extends PageElement {
  static properties = {
    query: {},
    page: { state: true },
    places: { state: true },
    error: { state: true },
    chosen: { state: true },
  };

  constructor() {
    super();
    this.chosen = new Set();
    this.places = new Map();
  }

  updated(changed) {
    if (!changed.has("query")) return;
    document.title = `${texts.jobs} - Qiskit Runtime`;
    this.poll(() => this.refresh());
  }

  get offset() {
    return Number(this.query.get("offset") ?? 0) || 0;
  }

  get sort() {
    return this.query.get("sort") ?? "-created";
  }

  get fields() {
    return readFields(this.query);
  }

  async refresh() {
    const asked = this.query;
    const wanted = new URLSearchParams(asked);
    if (!wanted.has("status")) for (const one of STATUSES) wanted.append("status", one);
    wanted.set("limit", PAGE);
    wanted.set("exclude_params", "true");
    try {
      const page = await read(`/jobs?${wanted}`);
      const places = await this.readPlaces(page.jobs);
      if (asked !== this.query) return 0;
      [this.page, this.places, this.error] = [page, places, ""];
    } catch (error) {
      this.error = error.message;
      return CALM_MS;
    }
    return this.page.jobs.some((job) => PENDING.includes(job.status)) ? BUSY_MS : CALM_MS;
  }

  /** Return the places of the queued jobs that are shown. */
  async readPlaces(jobs) {
    const queued = jobs.filter((job) => job.status === "Queued");
    if (!queued.length) return new Map();
    const ids = new URLSearchParams(queued.map((job) => ["id", job.id]));
    const found = await read(`/queue?${ids}`);
    return new Map(found.jobs.map((place) => [place.id, place]));
  }

  narrow(fields, options) {
    // Of the address: a person may be faster than the page that a change before this one leads to.
    const query = new URLSearchParams(location.search);
    go(address("", { ...readFields(query), sort: query.get("sort") ?? "", ...fields }), options);
  }

  choose(id, isChosen) {
    const chosen = new Set(this.chosen);
    if (isChosen) chosen.add(id);
    else chosen.delete(id);
    this.chosen = chosen;
  }

  render() {
    return html`<h1>${texts.jobs}</h1>
      ${this.renderFilter()} ${this.error ? html`<p role="alert">${this.error}</p>` : ""}
      ${this.page ? this.renderPage() : html`<p>${texts.loading}</p>`}`;
  }

  renderFilter() {
    const value = (name) => this.query.get(name) ?? "";
    const change = (name) => (event) =>
      this.narrow({ [name]: event.target.value.trim() }, { replace: name === "search" });
    const field = (name, label) =>
      html`<label>${label}<input name=${name} .value=${value(name)} @change=${change(name)} /></label>`;
    return html`<form class="filter" role="search" aria-label=${texts.filter} @submit=${(e) => e.preventDefault()}>
      <label class="wide">${texts.search}
        <input type="search" name="search" .value=${value("search")} @input=${change("search")} /></label>
      <label>${texts.status}
        <select name="status" .value=${value("status")} @change=${change("status")}>
          <option value="">${texts.anyStatus}</option>
          ${STATUSES.map((one) => html`<option ?selected=${one === value("status")}>${one}</option>`)}
        </select></label>
      ${field("program", texts.program)} ${field("backend", texts.backend)}
      ${field("tags", texts.tag)}
      ${field("hub", texts.hub)} ${field("group", texts.group)} ${field("project", texts.project)}
      ${Object.keys(this.fields).length ? html`<a href="/">${texts.clearFilter}</a>` : ""}
    </form>`;
  }

  renderPage() {
    const { jobs, total } = this.page;
    if (!jobs.length) return this.renderNothing();
    return html`<div class="scroll" tabindex="0" role="region" aria-label=${texts.jobs}>
        <table class="jobs">
          <thead><tr><th><span class="unseen">${texts.compare("")}</span></th><th scope="col">${texts.job}</th>
            ${COLUMNS.map((column) => this.renderHead(...column))}
            <th scope="col">${texts.detail}</th></tr></thead>
          <tbody>${repeat(jobs, (job) => job.id, (job) => this.renderJob(job))}</tbody>
        </table></div>
      <p class="bar">${this.renderCompare()} ${this.renderTurns(jobs.length, total)}</p>`;
  }

  renderNothing() {
    const isFiltered = Object.keys(this.fields).length || this.offset;
    if (isFiltered) return html`<p>${texts.noJobs}</p>`;
    return html`<p>${texts.noJobsYet} <a href="/?view=programs">${texts.programs}</a></p>`;
  }

  renderHead(label, order, isLargestFirst) {
    const isCurrent = this.sort.replace("-", "") === order;
    const isDown = this.sort.startsWith("-");
    const turned = isCurrent ? !isDown : isLargestFirst;
    const state = isCurrent ? (isDown ? "descending" : "ascending") : "none";
    return html`<th scope="col" aria-sort=${state}>
      <button class="sort" title=${texts.sortBy(label)}
        @click=${() => this.narrow({ sort: (turned ? "-" : "") + order })}
      >${label}<span aria-hidden="true">${isCurrent ? (isDown ? " ↓" : " ↑") : ""}</span></button></th>`;
  }

  renderJob(job) {
    const isChosen = this.chosen.has(job.id);
    return html`<tr>
      <td><input type="checkbox" aria-label=${texts.choose(job.id)} .checked=${isChosen}
        ?disabled=${!isChosen && this.chosen.size >= MOST_TO_COMPARE}
        @change=${(event) => this.choose(job.id, event.target.checked)} /></td>
      <td><a href=${address("job", { id: job.id })} title=${job.id}><code>${job.id.slice(0, 8)}</code></a></td>
      <td>${printable(job.program)} ${job.tags.map((tag) => html`<span class="tag">${printable(tag)}</span>`)}</td>
      <td><span class="status" data-status=${job.status}>${job.status}</span></td>
      <td>${printable(job.backend)}</td>
      <td title=${moment(job.created)}>${ago(job.created)}</td>
      <td>${job.started ? span(seconds(job.started, job.finished)) : "–"}</td>
      <td class="detail">${this.renderDetail(job)}</td>
    </tr>`;
  }

  renderDetail(job) {
    const place = job.status === "Queued" ? this.places.get(job.id) : null;
    if (place) return texts.waitsAt(place.position) + (job.message ? ` – ${printable(job.message)}` : "");
    if (job.status === "Running" && job.progress) {
      const { done, total, best } = job.progress;
      return html`<progress max=${total} .value=${done} aria-label=${texts.progress(done, total)}></progress>
        ${texts.progress(number(done), number(total))}${best == null ? "" : `, ${texts.best(number(best))}`}`;
    }
    return printable(job.message);
  }

  renderCompare() {
    const count = this.chosen.size;
    if (count < 2) return html`<span>${texts.chooseToCompare}</span>`;
    return html`<a class="button" href=${address("compare", { id: [...this.chosen] })}>${texts.compare(count)}</a>`;
  }

  renderTurns(count, total) {
    const begin = this.offset;
    const turn = (offset, label) =>
      html`<a href=${address("", { ...this.fields, sort: this.query.get("sort") ?? "", offset: offset || "" })}>${label}</a>`;
    return html`<span>${texts.jobsShown(begin + 1, begin + count, total)}</span>
      ${begin > 0 ? turn(Math.max(0, begin - PAGE), texts.previous) : ""}
      ${begin + count < total ? turn(begin + PAGE, texts.next) : ""}`;
  }
}

customElements.define("job-list", JobList);
