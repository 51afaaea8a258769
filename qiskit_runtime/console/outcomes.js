// What a result says that can be drawn: counts, and expectation values.
import { findCounts } from "./counts.js";

export const NO_OUTCOMES = { counts: [], estimates: { columns: [], rows: [], total: 0 } };

/** Return the counts and the estimates of a result's JSON text; what can't be read has none. */
export async function readOutcomes(text) {
  try {
    const value = JSON.parse(text);
    if (!text.includes('"__type__"')) return { ...NO_OUTCOMES, counts: findCounts(value) };
    const { readPrimitive } = await import("./primitives.js");
    const found = await readPrimitive(value);
    return found.counts.length || found.estimates.rows.length ? found : { ...NO_OUTCOMES, counts: findCounts(value) };
  } catch {
    return NO_OUTCOMES;
  }
}
