// The numbers that a job publishes, as curves: name by name, in their order.

/** Names of steps, which are what the others are drawn over. */
const STEP = /^(iteration|iter|step|epoch|nfev|evaluation|n)$/i;
/** Names of values that are drawn at first; others can be switched on. */
const MAIN = /energy|value|cost|loss|best|fidelity|accuracy|objective|mean/i;
const ASIDE = /std|stddev|deviation|error|variance|time|second/i;
const MOST_CURVES = 12;

/** Curves over one axis of steps; a value that is missing at a step is null. */
export class Series {
  constructor() {
    this.steps = [];
    this.curves = new Map();
  }

  get isEmpty() {
    return !this.curves.size;
  }

  addProgress({ done, best }) {
    if (best != null) this.add(done, [["best", best]]);
  }

  /** Add the numbers of a message's JSON text. */
  addMessage(number, text) {
    let value;
    try {
      value = JSON.parse(text);
    } catch {
      return;
    }
    const [step, numbers] = readNumbers(value);
    if (numbers.length) this.add(step ?? number, numbers);
  }

  add(step, numbers) {
    this.steps.push(step);
    const at = this.steps.length - 1;
    for (const [name, value] of numbers) {
      if (!this.curves.has(name) && this.curves.size >= MOST_CURVES) continue;
      const curve = this.curves.get(name) ?? [];
      while (curve.length < at) curve.push(null);
      curve.push(value);
      this.curves.set(name, curve);
    }
  }

  /** Return the curves with names for people, each as long as the steps, and whether it is a main one. */
  list(labels = {}) {
    const names = [...this.curves.keys()].map((name) => (Object.hasOwn(labels, name) ? labels[name] : name));
    const hasMain = names.some((name) => MAIN.test(name) && !ASIDE.test(name));
    return [...this.curves.values()].map((values, index) => {
      while (values.length < this.steps.length) values.push(null);
      const name = names[index];
      const isShown = !ASIDE.test(name) && (!hasMain || MAIN.test(name));
      return { name, steps: this.steps, values, isShown };
    });
  }
}

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/** Return the step that a message names, if it does, and its numbers by name. */
export function readNumbers(value) {
  if (isNumber(value)) return [null, [["value", value]]];
  if (Array.isArray(value)) return readList(value);
  if (value && typeof value === "object") return readObject(value);
  return [null, []];
}

function readList(list) {
  const numbers = list.map((one, index) => [`[${index}]`, one]).filter(([, one]) => isNumber(one));
  const isCounted = numbers.length > 1 && Number.isInteger(list[0]) && list[0] >= 0 && list.length <= 8;
  return isCounted ? [list[0], numbers.slice(1)] : [null, list.length <= 8 ? numbers : []];
}

function readObject(object) {
  const numbers = Object.entries(object).filter(([, one]) => isNumber(one));
  // The outcomes of a circuit are no curves.
  if (numbers.some(([name]) => /^([01 ]+|0x[0-9a-f]+)$/.test(name))) return [null, []];
  const step = numbers.find(([name]) => STEP.test(name));
  return [step?.[1] ?? null, numbers.filter((one) => one !== step)];
}

/** Return names for the places of a list, as the program's schema of interim results describes them. */
export function nameCurves(schema) {
  const items = schema?.prefixItems ?? schema?.items;
  const names = Array.isArray(items) ? items.map((item, index) => [`[${index}]`, nameItem(item)]) : [];
  return Object.fromEntries(names.filter(([, name]) => name && name.length < 60));
}

function nameItem(item) {
  if (item?.title && typeof item.title === "string") return item.title;
  const text = typeof item?.description === "string" ? item.description : "";
  return text.replace(/[.:].*$/s, "").replace(/^(the|an?) /i, "");
}

/** Return curves as the text of a CSV file. */
export function toCsv(curves) {
  const quote = (text) => `"${text.replace(/"/g, '""').replace(/^[=+\-@]/, "'$&")}"`;
  const lines = curves.flatMap(({ name, steps, values }) =>
    values.map((value, index) => (value == null ? "" : `${quote(name)},${steps[index]},${value}`)),
  );
  return ["curve,step,value", ...lines.filter(Boolean)].join("\n");
}
