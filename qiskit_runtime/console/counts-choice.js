// Several counts, of which a person chooses those that are drawn beside each other.
import { html, nothing } from "./vendor/lit.js";
import { define, PageElement } from "./element.js";
import { printable } from "./printable.js";
import { texts } from "./texts.js";
import "./counts-bars.js";

const MOST_AT_FIRST = 5;

/** `sets` are counts with labels; `first` are the labels of those that are drawn at first. */
class CountsChoice extends PageElement {
  static properties = { sets: {}, first: {}, chosen: { state: true } };

  willUpdate() {
    const labels = this.sets.map((set) => set.label).join("\n");
    if (labels !== this.labels) this.chosen = null;
    this.labels = labels;
  }

  get drawn() {
    const first = this.first ?? this.sets.slice(0, MOST_AT_FIRST).map((set) => set.label);
    return this.chosen ?? new Set(first);
  }

  choose(label, isChosen) {
    const chosen = new Set(this.drawn);
    if (isChosen) chosen.add(label);
    else chosen.delete(label);
    this.chosen = chosen;
  }

  render() {
    const { drawn } = this;
    const shown = this.sets.filter((set) => drawn.has(set.label));
    return html`${this.sets.length > 1 ? this.renderChoice(drawn) : nothing}
      ${shown.length ? html`<counts-bars .sets=${shown}></counts-bars>` : html`<p>${texts.noCountsChosen}</p>`}`;
  }

  renderChoice(drawn) {
    return html`<fieldset class="bar"><legend>${texts.shownCounts}</legend>
      ${this.sets.map(({ label }) => html`<label><input type="checkbox" .checked=${drawn.has(label)}
        @change=${(event) => this.choose(label, event.target.checked)} /> ${printable(label)}</label>`)}</fieldset>`;
  }
}

define("counts-choice", CountsChoice);
