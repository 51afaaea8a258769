// Expectation values as numbers, with their standard errors where the program gives them.
import { html, nothing } from "./vendor/lit.js";
import { define, PageElement } from "./element.js";
import { number } from "./formats.js";
import { printable } from "./printable.js";
import { texts } from "./texts.js";

/** `estimates` have columns, and rows with a label. */
class EstimatesTable extends PageElement {
  static properties = { estimates: {} };

  render() {
    const { columns, rows, total } = this.estimates;
    return html`<div class="scroll" tabindex="0" role="region" aria-label=${texts.estimates}><table class="estimates">
        <thead><tr><th scope="col">${texts.estimateOf}</th>
          ${columns.map((name) => html`<th scope="col">${printable(Object.hasOwn(texts.columns, name) ? texts.columns[name] : name)}</th>`)}</tr></thead>
        <tbody>${rows.map(({ label, values }) => html`<tr><th scope="row"><code>${printable(label)}</code></th>
          ${columns.map((name) => html`<td class="number">${values.get(name) == null ? "–" : number(values.get(name))}</td>`)}</tr>`)}</tbody>
      </table></div>
      ${rows.length < total ? html`<p>${texts.rowsShown(rows.length, total)}</p>` : nothing}`;
  }
}

define("estimates-table", EstimatesTable);
