// Times, sizes and numbers for people.
import { texts } from "./texts.js";

const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

export const PENDING = ["Queued", "Running"];

/** Return the seconds between two moments of the API; `end` may be missing, and is now then. */
export function seconds(begin, end) {
  if (!begin) return null;
  return Math.max(0, ((end ? Date.parse(end) : Date.now()) - Date.parse(begin)) / 1000);
}

/** Return a span of seconds. */
export function span(value) {
  if (value == null) return "–";
  if (value < 1) return `${Math.round(value * 1000)} ms`;
  if (value < 60) return `${value.toFixed(1)} s`;
  if (value < 3600) return `${Math.floor(value / 60)} min ${Math.floor(value % 60)} s`;
  return `${Math.floor(value / 3600)} h ${Math.floor((value % 3600) / 60)} min`;
}

/** Return a moment of the API in the person's own time. */
export const moment = (text) => (text ? new Date(text).toLocaleString() : "–");

/** Return roughly how long ago a moment was. */
export function ago(text) {
  const passed = seconds(text);
  const [size, unit] = UNITS.find(([one]) => passed >= one) ?? UNITS.at(-1);
  return texts.ago(`${Math.floor(passed / size)} ${unit}`);
}

/** Return a number in a few characters. */
export const number = (value) =>
  Number.isInteger(value) ? value.toLocaleString("en") : Number(value.toPrecision(6)).toString();

/** Return a number of bytes. */
export function bytes(value) {
  if (value < 1024) return `${value} B`;
  if (value < 1024 ** 2) return `${(value / 1024).toFixed(1)} KiB`;
  return `${(value / 1024 ** 2).toFixed(1)} MiB`;
}
