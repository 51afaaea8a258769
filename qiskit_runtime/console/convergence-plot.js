// Curves over steps, drawn as they come: by uPlot, on a canvas, with a sentence for who can't see it.
import uPlot from "./vendor/uplot.js";
import { html } from "./vendor/lit.js";
import { define, PageElement } from "./element.js";
import { number } from "./formats.js";
import { printable } from "./printable.js";
import { toCsv } from "./series.js";
import { save } from "./save.js";
import { texts } from "./texts.js";

const HEIGHT = 300;
const COLOURS = 5;
const ASINH = 4;

/** Return the colour that a name has in the style sheet of a place now: a canvas knows no variables. */
function style(place, name) {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  place.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** `curves` are lists of steps and values with names; a new list is drawn at the next frame. */
class ConvergencePlot extends PageElement {
  static properties = { curves: {}, isLog: { state: true } };

  constructor() {
    super();
    this.curves = [];
    this.redraw = () => this.rebuild();
  }

  connectedCallback() {
    super.connectedCallback();
    // In a notebook it is there already.
    if (this.getRootNode() === document) loadStyle();
    addEventListener("themechange", this.redraw);
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.scheme.addEventListener("change", this.redraw);
    this.sizes = new ResizeObserver(() => this.fit());
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    removeEventListener("themechange", this.redraw);
    this.scheme.removeEventListener("change", this.redraw);
    this.sizes.disconnect();
    this.plot?.destroy();
    this.plot = null;
  }

  get place() {
    return this.querySelector(".plot");
  }

  updated() {
    this.sizes.observe(this.place);
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.draw());
  }

  draw() {
    if (!this.place) return;
    const shape = `${this.isLog} ${this.curves.map((curve) => curve.name).join("\n")}`;
    if (shape !== this.shape || !this.plot) {
      this.shape = shape;
      this.rebuild();
    } else {
      this.plot.setData(join(this.curves), !this.isZoomed);
      if (this.isZoomed) this.plot.redraw();
    }
  }

  fit() {
    const width = this.place?.clientWidth;
    if (this.plot && width && width !== this.plot.width) this.plot.setSize({ width, height: HEIGHT });
  }

  rebuild() {
    if (!this.place) return;
    this.plot?.destroy();
    this.isZoomed = false;
    const width = this.place.clientWidth || 320;
    this.plot = new uPlot(this.describe(width), join(this.curves), this.place);
  }

  describe(width) {
    const [stroke, line] = [style(this, "--quiet"), { stroke: style(this, "--line") }];
    const axis = { stroke, grid: line, ticks: line };
    return {
      width,
      height: HEIGHT,
      cursor: { drag: { setScale: true } },
      hooks: { setSelect: [(plot) => (this.isZoomed ||= plot.select.width > 0)] },
      scales: { x: { time: false }, y: this.isLog ? { distr: ASINH, asinh: 1e-3 } : {} },
      axes: [{ ...axis, label: texts.step, labelSize: 20 }, { ...axis, size: 70, values: (_, all) => all.map((one) => (one == null ? "" : number(one))) }],
      series: [{ label: texts.step }, ...this.curves.map((curve, index) => describeCurve(curve, index, this))],
    };
  }

  zoomIn() {
    const { min, max } = this.plot.scales.x;
    this.isZoomed = true;
    this.plot.setScale("x", { min: (min + max) / 2, max });
  }

  zoomOut() {
    this.isZoomed = false;
    this.plot.setData(join(this.curves), true);
  }

  render() {
    const names = this.curves.map((curve) => printable(curve.name)).join(", ");
    const points = Math.max(0, ...this.curves.map((curve) => curve.values.length));
    return html`<figure role="group" aria-label=${texts.plotLabel(names, points)}>
        <div class="plot"></div>
        <figcaption class="quiet">${this.curves.filter((one) => one.isShown).map((one) => html`<div>${summarize(one)}</div>`)}</figcaption>
      </figure>
      <p class="bar">
        <label><input type="checkbox" .checked=${!!this.isLog} @change=${(event) => (this.isLog = event.target.checked)} /> ${texts.logScale}</label>
        <button @click=${this.zoomIn}>${texts.zoomIn}</button>
        <button @click=${this.zoomOut}>${texts.zoomOut}</button>
        <button @click=${() => save("curves.csv", toCsv(this.curves), "text/csv")}>${texts.downloadCsv}</button>
      </p>`;
  }
}

function describeCurve({ name, isShown }, index, place) {
  const stroke = style(place, `--curve-${(index % COLOURS) + 1}`);
  // More curves than colours are dashed, by turns.
  const dash = index < COLOURS ? undefined : [3 + 5 * Math.floor(index / COLOURS), 4];
  const value = (_, one) => (one == null ? "–" : number(one));
  return { label: printable(name), stroke, dash, width: 1.5, show: isShown, spanGaps: true, value, points: { size: 4 } };
}

/** Return a curve's newest and smallest value as a sentence. */
function summarize({ name, values }) {
  let [last, best] = [null, Infinity];
  for (const value of values) {
    if (value == null) continue;
    last = value;
    if (value < best) best = value;
  }
  return last == null ? printable(name) : texts.lastBest(printable(name), number(last), number(best));
}

/** Return the curves as uPlot's columns over all their steps. */
function join(curves) {
  if (!curves.length) return [[]];
  const [{ steps }] = curves;
  const isRising = steps.every((step, index) => !index || step > steps[index - 1]);
  if (isRising && curves.every((curve) => curve.steps === steps)) return [steps, ...curves.map((one) => one.values)];
  return uPlot.join(curves.map((curve) => sort(curve)));
}

function sort({ steps, values }) {
  // Of several values at one step the last counts.
  const found = new Map(steps.map((step, index) => [step, values[index]]));
  const sorted = [...found].sort((a, b) => a[0] - b[0]);
  return [sorted.map(([step]) => step), sorted.map(([, value]) => value)];
}

function loadStyle() {
  if (document.getElementById("plot-style")) return;
  const link = Object.assign(document.createElement("link"), { id: "plot-style", rel: "stylesheet" });
  link.href = "/console/vendor/uplot.css";
  document.head.append(link);
}

define("convergence-plot", ConvergencePlot);
