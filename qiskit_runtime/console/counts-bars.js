// Counts as bars, one or several beside each other, with the distance between them.
import { html, nothing } from "./vendor/lit.js";
import { findDistance, toShares } from "./counts.js";
import { define, PageElement } from "./element.js";
import { number } from "./formats.js";
import { printable } from "./printable.js";
import { texts } from "./texts.js";

const MOST_BARS = 64;
const COLOURS = 5;

/** `sets` are counts with labels. */
class CountsBars extends PageElement {
  static properties = { sets: {}, byOutcome: { state: true } };

  render() {
    const shares = this.sets.map((set) => toShares(set.counts));
    const outcomes = this.sortOutcomes(shares);
    const shown = outcomes.slice(0, MOST_BARS);
    const top = Math.max(...shown.flatMap((name) => shares.map((one) => one.get(name) ?? 0)), 1e-12);
    return html`<p class="bar"><label>${texts.order}
        <select @change=${(event) => (this.byOutcome = event.target.value === "outcome")}>
          <option value="share">${texts.sortShare}</option><option value="outcome">${texts.sortOutcome}</option>
        </select></label></p>
      ${shares.slice(1).map((other, index) => html`<p>${this.describeDistance(shares[0], other, index + 1)}</p>`)}
      <div class="scroll" tabindex="0" role="region" aria-label=${texts.counts}><table class="counts">
        <thead><tr><th scope="col">${texts.outcome}</th>
          ${this.sets.map((set) => html`<th scope="col">${printable(set.label)}</th>`)}<th><span class="unseen">${texts.counts}</span></th></tr></thead>
        <tbody>${shown.map((name) => this.renderOutcome(name, shares, top))}
          ${outcomes.length > MOST_BARS ? this.renderRest(outcomes, shares) : nothing}</tbody>
      </table></div>`;
  }

  sortOutcomes(shares) {
    const largest = (name) => Math.max(...shares.map((one) => one.get(name) ?? 0));
    const names = [...new Set(shares.flatMap((one) => [...one.keys()]))];
    const sizes = new Map(names.map((name) => [name, largest(name)]));
    names.sort((a, b) => sizes.get(b) - sizes.get(a) || compareOutcomes(a, b));
    if (!this.byOutcome) return names;
    // The largest are shown in this order too, and the others are the rest.
    return [...names.slice(0, MOST_BARS).sort(compareOutcomes), ...names.slice(MOST_BARS)];
  }

  describeDistance(first, other, index) {
    const [a, b] = [this.sets[0].label, this.sets[index].label].map(printable);
    return texts.distance(a, b, findDistance(first, other).toFixed(4));
  }

  renderOutcome(name, shares, top) {
    return html`<tr><th scope="row"><code>${printable(name)}</code></th>
      ${this.sets.map((set, index) => html`<td class="number">${number(set.counts[name] ?? 0)}
        <span class="quiet">${((shares[index].get(name) ?? 0) * 100).toFixed(1)} %</span></td>`)}
      <td class="bar-cell">${shares.map((one, index) => renderBar((one.get(name) ?? 0) / top, index))}</td></tr>`;
  }

  renderRest(outcomes, shares) {
    const rest = outcomes.slice(MOST_BARS);
    const sum = (one) => rest.reduce((total, name) => total + (one.get(name) ?? 0), 0);
    return html`<tr><th scope="row">${texts.rest(rest.length)}</th>
      ${shares.map((one) => html`<td class="number">${(sum(one) * 100).toFixed(1)} %</td>`)}<td></td></tr>`;
  }
}

function compareOutcomes(a, b) {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}

function renderBar(share, index) {
  return html`<svg aria-hidden="true" viewBox="0 0 100 10" preserveAspectRatio="none">
    <rect width=${Math.max(0, share * 100)} height="10" class=${`curve-${(index % COLOURS) + 1}`}></rect></svg>`;
}

define("counts-bars", CountsBars);
