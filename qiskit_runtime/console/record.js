// A job's record as the console keeps it: lines, messages, and the numbers in them.
import { Series } from "./series.js";
import { texts } from "./texts.js";

const KEPT_MESSAGES = 200;

/** The record of one job, as far as it has come. */
export class JobRecord {
  constructor() {
    this.lines = [];
    this.messages = [];
    this.count = 0;
    this.dropped = 0;
    this.isCut = false;
    this.result = null;
    this.values = new Series();
    this.progress = new Series();
    this.isOpen = false;
  }

  /** Take a bunch of typed frames. */
  take(frames) {
    for (const frame of frames) TAKE[frame.type]?.(this, frame);
  }

  takeConsole({ line, text, newline }) {
    if (this.isOpen) this.lines.at(-1).text += text;
    else this.lines.push({ line, text });
    this.isOpen = !newline;
  }

  takeMessage({ number, final, text }) {
    if (final) {
      this.result = text;
      return;
    }
    this.count += 1;
    this.messages.push({ number, text });
    if (this.messages.length > 2 * KEPT_MESSAGES) this.messages.splice(0, KEPT_MESSAGES);
    this.values.addMessage(number, text);
  }

  /** Return the curves of interim results, or of reported progress where that is wanted or all there is. */
  listCurves(names, source = "") {
    const isProgress = this.values.isEmpty || (source === "progress" && !this.progress.isEmpty);
    return isProgress ? this.progress.list({ best: texts.best("").trim() }) : this.values.list(names);
  }

  get newestMessages() {
    return this.messages.slice(-KEPT_MESSAGES);
  }
}

const TAKE = {
  console: (record, frame) => record.takeConsole(frame),
  message: (record, frame) => record.takeMessage(frame),
  gap: (record, frame) => (record.dropped += frame.count),
  cut: (record) => (record.isCut = true),
  progress: (record, frame) => record.progress.addProgress(frame),
};
