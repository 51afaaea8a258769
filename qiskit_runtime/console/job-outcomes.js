// What a job's result has that can be drawn: counts as bars, expectation values as numbers.
import { html, nothing } from "./vendor/lit.js";
import { define, PageElement } from "./element.js";
import { NO_OUTCOMES, readOutcomes } from "./outcomes.js";
import { texts } from "./texts.js";
import "./counts-choice.js";
import "./estimates-table.js";

/** `text` is the result's JSON text, or null. */
class JobOutcomes extends PageElement {
  static properties = { text: {}, outcomes: { state: true } };

  constructor() {
    super();
    this.outcomes = NO_OUTCOMES;
  }

  updated(changed) {
    if (changed.has("text")) this.read(this.text);
  }

  async read(text) {
    const outcomes = text == null ? NO_OUTCOMES : await readOutcomes(text);
    if (text === this.text) this.outcomes = outcomes;
  }

  render() {
    const { counts, estimates } = this.outcomes;
    return html`${counts.length ? html`<section><h2>${texts.counts}</h2><counts-choice .sets=${counts}></counts-choice></section>` : nothing}
      ${estimates.rows.length ? html`<section><h2>${texts.estimates}</h2><estimates-table .estimates=${estimates}></estimates-table></section>` : nothing}`;
  }
}

define("job-outcomes", JobOutcomes);
