// The circuits that a program has printed, as Qiskit draws them in text, found among its lines.

/** Others are not looked for. */
export const MOST_DRAWINGS = 100;
/** No drawing has more lines, or longer ones. */
const MOST_LINES = 2000;
const LONGEST_LINE = 2000;
const LEAST_LINES = 3;
const LEAST_WIDTH = 4;

/**
 * A name, and the wire after it: "q_0: ┤", "meas: 2/═", "q_0 -> 3 ─", "q: |0>─", "c: 0 ═".
 *
 * The name begins and ends with what is no blank: a line is not searched again from each of its blanks.
 */
const WIRE = /^«? *([^─-╿\s](?:[^─-╿]*[^─-╿\s])?)(?:: ?|\/| )(?:\|0>|0 )?[─═┤]/u;
const DRAWN = /[─-╿■░«»]/u;
/** Where no gate is, and below the wire of the bits, are blanks and numbers. */
const BLANK = /^[ \d]*$/;
const PHASE = /^global phase: /;

/**
 * Finds them as the lines come, each line looked at once.
 *
 * All lines of a drawing are equally long; one that is folded goes on where lines begin with "«".
 */
export class CircuitFinder {
  constructor() {
    Object.assign(this, { at: 0, group: [], names: new Set(), before: null, drawings: [] });
  }

  get isFull() {
    return this.drawings.length >= MOST_DRAWINGS;
  }

  /** Return the drawings in the lines so far, each a list of lines; more lines may come. */
  find(lines) {
    // The last line may grow.
    for (; this.at < lines.length - 1 && !this.isFull; this.at += 1) this.take(lines[this.at]);
    const open = this.isFull ? [] : this.withLast(lines[this.at]);
    return isDrawing(open) ? add(this.drawings, open, this.before) : this.drawings;
  }

  take(one) {
    if (!this.continues(one)) this.end();
    if (!this.group.length && !isFirst(one)) {
      this.before = one;
      return;
    }
    const name = readName(one);
    if (this.names.has(name)) this.split();
    if (name) this.names.add(name);
    this.group.push(one);
  }

  continues({ text }) {
    const { length } = this.group;
    return length > 0 && length < MOST_LINES && text.length === this.group[0].text.length && isPart(text);
  }

  /** End the drawing, if the lines are one. */
  end() {
    if (isDrawing(this.group)) this.drawings = add(this.drawings, this.group, this.before);
    this.before = this.group.at(-1) ?? this.before;
    [this.group, this.names] = [[], new Set()];
  }

  /** End the drawing where the next one repeats the name of a wire: the line above this is the next one's. */
  split() {
    const above = this.group.pop();
    this.end();
    this.group.push(above);
  }

  withLast(last) {
    if (!last || !this.continues(last)) return this.group;
    return this.names.has(readName(last)) ? this.group.slice(0, -1) : [...this.group, last];
  }
}

const isPart = (text) => text.length <= LONGEST_LINE && (DRAWN.test(text) || BLANK.test(text));
const isFirst = ({ text }) => text.length >= LEAST_WIDTH && isPart(text);
const readName = ({ text }) => text.match(WIRE)?.[1];

/** Return the drawings with one more, or with more of the last one. */
function add(drawings, lines, before) {
  const last = drawings.at(-1);
  const isNext = lines[0].text.startsWith("«") && last?.at(-1).text.endsWith("»") && last.length < MOST_LINES;
  if (isNext) return [...drawings.slice(0, -1), [...last, ...lines]];
  return [...drawings, before && PHASE.test(before.text) ? [before, ...lines] : lines];
}

/** Return whether lines have a wire, and nothing before it where the others have its name. */
function isDrawing(lines) {
  const wire = lines.length < LEAST_LINES ? null : lines.map(({ text }) => text.match(WIRE)).find(Boolean);
  if (!wire) return false;
  const margin = wire[0].indexOf(wire[1]) + wire[1].length;
  return lines.every(({ text }) => WIRE.test(text) || /^«? *$/.test(text.slice(0, margin)));
}
