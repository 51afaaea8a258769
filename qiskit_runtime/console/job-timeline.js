// The stages of a job with the time of each, in the API's words.
import { html, nothing } from "./vendor/lit.js";
import { PageElement } from "./element.js";
import { moment, seconds, span } from "./formats.js";
import { printable } from "./printable.js";
import { texts } from "./texts.js";

/** `job` is the API's, `place` its place in the queue, if it waits. */
class JobTimeline extends PageElement {
  static properties = { job: {}, place: {} };

  render() {
    const { created, started, finished, status, message, reason } = this.job;
    const isQueued = status === "Queued";
    return html`<ol class="timeline">
      <li>${texts.posted}<small>${moment(created)}</small></li>
      <li>${texts.queued}<small>${describeWait(this.job)}</small>
        ${isQueued ? this.renderPlace() : nothing} ${isQueued && message ? html`<small>${texts.why}: ${printable(message)} ${reason}</small>` : nothing}</li>
      ${started ? html`<li>${texts.running}<small>${moment(started)}</small><small>${describeRun(this.job)}</small></li>` : nothing}
      ${finished ? html`<li><span class="status" data-status=${status}>${status}</span> ${reason}<small>${moment(finished)}</small></li>` : nothing}
    </ol>`;
  }

  renderPlace() {
    if (!this.place) return nothing;
    const { position, start } = this.place;
    return html`<small>${texts.waitsAt(position)}${start ? `, ${texts.startsAt(moment(start))}` : ""}</small>`;
  }
}

function describeWait({ created, started, finished }) {
  const waited = span(seconds(created, started ?? finished));
  return started || finished ? texts.queuedFor(waited) : texts.waitsFor(waited);
}

function describeRun({ started, finished }) {
  const ran = span(seconds(started, finished));
  return finished ? texts.ranFor(ran) : texts.runsFor(ran);
}

customElements.define("job-timeline", JobTimeline);
