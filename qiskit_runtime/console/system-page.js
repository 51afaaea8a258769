// The page of the server itself.
import { html, nothing } from "./vendor/lit.js";
import { read } from "./api.js";
import { PageElement } from "./element.js";
import { bytes, number } from "./formats.js";
import { texts } from "./texts.js";

const POLL_MS = 3000;

class SystemPage extends PageElement {
  static properties = { system: { state: true }, error: { state: true } };

  connectedCallback() {
    super.connectedCallback();
    document.title = `${texts.system} - Qiskit Runtime`;
    this.poll(() => this.refresh());
  }

  async refresh() {
    try {
      [this.system, this.error] = [await read("/system"), ""];
    } catch (error) {
      this.error = error.message;
    }
    return POLL_MS;
  }

  render() {
    return html`<h1>${texts.system}</h1>
      ${this.error ? html`<p role="alert">${this.error}</p>` : nothing}
      ${this.system ? this.renderFacts() : html`<p>${texts.loading}</p>`}`;
  }

  renderFacts() {
    const { version, mode, queued, running, ended, workers, warm_pods, max_queued, max_jobs } = this.system;
    const rows = [
      [texts.serverVersion, version],
      [texts.mode, texts.modes[mode] ?? mode],
      [mode === "kubernetes" ? texts.runningPods : texts.runningJobs, number(running)],
      [texts.queuedJobs, number(queued)],
      [texts.endedJobs, number(ended)],
      [texts.workers, workers == null ? null : texts.workersBusy(Math.min(running, workers), workers)],
      [texts.warmPods, warm_pods && texts.warmPodsAre(warm_pods.ready, warm_pods.starting)],
      [texts.maxQueued, max_queued],
      [texts.maxJobs, max_jobs],
    ];
    const known = rows.filter(([, value]) => value != null);
    return html`<section><dl>${known.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}
      <dt>${texts.storage}</dt><dd>${this.renderStorage()}</dd></dl></section>`;
  }

  renderStorage() {
    const { storage_bytes: limit, stored_bytes: stored } = this.system;
    if (limit == null) return texts.unlimited;
    if (stored == null) return bytes(limit);
    const words = texts.storedOf(bytes(stored), bytes(limit));
    return html`<progress max=${limit} .value=${stored} aria-label=${words}></progress> ${words}`;
  }
}

customElements.define("system-page", SystemPage);
