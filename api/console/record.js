// A job's record as the console keeps it: lines, messages, and the numbers in them.
import { follow } from "./api.js";
import { Series } from "./series.js";

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

/** Follow a job's record; `show` gets it after each change, and the code of its end, if it ended. */
export function followRecord(id, show) {
  let record;
  return follow(id, {
    reset: () => (record = new JobRecord()),
    take: (frames) => {
      record.take(frames);
      show(record, 0);
    },
    end: (code) => show(record, code),
  });
}
