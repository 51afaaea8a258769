// The circuits that a program has printed, as Qiskit draws them in text, found among its lines.

/** A name, and the wire after it: "q_0: ┤", "meas: 2/═", "q_0 -> 3 ─", "q: |0>─", "c: 0 ═". */
const WIRE = /^«? *([^─-╿]*\S)(?:: ?|\/| )(?:\|0>|0 )?[─═┤]/u;
const DRAWN = /[─-╿■░«»]/u;
/** Where no gate is, and below the wire of the bits, are blanks and numbers. */
const BLANK = /^[ \d]*$/;
const PHASE = /^global phase: /;
const LEAST_LINES = 3;
const LEAST_WIDTH = 4;

/**
 * Finds them as the lines come, each line looked at once.
 *
 * All lines of a drawing are equally long; one that is folded goes on where lines begin with "«".
 */
export class CircuitFinder {
  constructor() {
    Object.assign(this, { at: 0, group: [], before: null, drawings: [] });
  }

  /** Return the drawings in the lines so far, each a list of lines; more lines may come. */
  find(lines) {
    // The last line may grow.
    for (; this.at < lines.length - 1; this.at += 1) this.take(lines[this.at]);
    const last = lines[this.at];
    const isMore = last && this.continues(last);
    return join(this.drawings, isMore ? [...this.group, last] : this.group, this.before);
  }

  take(one) {
    if (this.continues(one)) {
      this.group.push(one);
      return;
    }
    this.drawings = join(this.drawings, this.group, this.before);
    this.before = this.group.at(-1) ?? this.before;
    this.group = isPart(one.text) && one.text.length >= LEAST_WIDTH ? [one] : [];
    if (!this.group.length) this.before = one;
  }

  continues({ text }) {
    return this.group.length > 0 && text.length === this.group[0].text.length && isPart(text);
  }
}

const isPart = (text) => DRAWN.test(text) || BLANK.test(text);

/** Return the drawings with those of a group of lines, if it is one or continues the last one. */
function join(drawings, group, before) {
  let found = drawings;
  for (const piece of split(group)) {
    const isNext = piece[0].text.startsWith("«") && found.at(-1)?.at(-1).text.endsWith("»");
    if (isNext) found = [...found.slice(0, -1), [...found.at(-1), ...piece]];
    else found = [...found, before && PHASE.test(before.text) ? [before, ...piece] : piece];
  }
  return found;
}

/** Return the drawings of a group: two that follow each other repeat the names of their wires. */
function split(group) {
  if (group.length < LEAST_LINES) return [];
  const pieces = [[]];
  let names = new Set();
  for (const one of group) {
    const name = one.text.match(WIRE)?.[1];
    if (name && names.has(name)) {
      // The line above its first wire is the new one's too.
      const above = pieces.at(-1).splice(-1);
      pieces.push(above);
      names = new Set();
    }
    if (name) names.add(name);
    pieces.at(-1).push(one);
  }
  return pieces.filter(isDrawing);
}

/** Return whether lines have a wire, and nothing before it where the others have its name. */
function isDrawing(piece) {
  const wire = piece.map(({ text }) => text.match(WIRE)).find(Boolean);
  if (!wire || piece.length < LEAST_LINES) return false;
  const margin = wire[0].indexOf(wire[1]) + wire[1].length;
  return piece.every(({ text }) => WIRE.test(text) || /^«? *$/.test(text.slice(0, margin)));
}
