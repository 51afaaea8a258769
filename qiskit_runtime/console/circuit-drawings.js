// The circuits that a program has printed, each as it was drawn.
import { html, nothing } from "./vendor/lit.js";
import { MOST_DRAWINGS } from "./circuits.js";
import { address, PageElement } from "./element.js";
import { printable } from "./printable.js";
import { texts } from "./texts.js";

const MOST_SHOWN = 5;

/** `drawings` are lists of the log's lines; `job` is the id, for the links. */
class CircuitDrawings extends PageElement {
  static properties = { drawings: {}, job: {} };

  render() {
    const more = this.drawings.length - MOST_SHOWN;
    return html`${this.drawings.slice(0, MOST_SHOWN).map((lines) => this.renderDrawing(lines))}
      ${more > 0 ? html`<p>${texts.moreCircuits(more, this.drawings.length < MOST_DRAWINGS)}</p>` : nothing}`;
  }

  renderDrawing(lines) {
    const [{ line }] = lines;
    const text = lines.map((one) => printable(one.text)).join("\n");
    return html`<figure class="drawing">
      <div class="scroll" tabindex="0" role="region" aria-label=${texts.circuitAt(line)}><pre class="circuit">${text}</pre></div>
      <figcaption><a href=${address("job", { id: this.job, line })}>${texts.linkLine(line)}</a></figcaption></figure>`;
  }
}

customElements.define("circuit-drawings", CircuitDrawings);
