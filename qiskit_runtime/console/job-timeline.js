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
    const stages = listStages(this.job);
    return html`<ol class="timeline">
      ${stages.filter((one) => one.isAhead).map(renderStage)}
      <li>${texts.posted}<small>${moment(created)}</small></li>
      <li>${texts.queued}<small>${describeWait(this.job)}</small>
        ${isQueued ? this.renderPlace() : nothing} ${isQueued && message ? html`<small>${texts.why}: ${printable(message)} ${reason}</small>` : nothing}</li>
      ${stages.filter((one) => !one.isAhead).map(renderStage)}
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

/** Return the stages of the job's pod that have come, and whether they came before the job. */
function listStages({ created, scheduled, containerStarted }) {
  const after = scheduled && containerStarted ? seconds(scheduled, containerStarted) : null;
  const stages = [
    { name: texts.podScheduled, time: scheduled },
    { name: texts.containerStarted, time: containerStarted, after },
  ];
  // The cluster tells whole seconds.
  const isAhead = (time) => Date.parse(time) < Math.floor(Date.parse(created) / 1000) * 1000;
  return stages.filter((one) => one.time).map((one) => ({ ...one, isAhead: isAhead(one.time) }));
}

function renderStage({ name, time, after, isAhead }) {
  return html`<li>${name}${isAhead ? ` ${texts.startedAhead}` : ""}<small>${moment(time)}</small>
    ${after == null ? nothing : html`<small>${texts.afterScheduled(after)}</small>`}</li>`;
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
