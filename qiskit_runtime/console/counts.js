// Counts of outcomes: where they are in a result, and how far two of them are from each other.

const OUTCOME = /^([01]+( [01]+)*|0x[0-9a-f]+)$/i;
const MOST_FOUND = 24;
const DEEPEST = 5;

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

/** Return whether a value is counts, or probabilities: those add up to 1, and amplitudes do not. */
function isCounts(value) {
  const entries = isObject(value) ? Object.entries(value) : [];
  const isNamed = entries.every(([name, one]) => OUTCOME.test(name) && typeof one === "number" && one >= 0);
  if (!entries.length || !isNamed) return false;
  const sum = entries.reduce((total, [, one]) => total + one, 0);
  return entries.every(([, one]) => Number.isInteger(one)) || Math.abs(sum - 1) < 0.01;
}

/** Return the counts in a result, each with the names that lead to it. */
export function findCounts(value, label = "", depth = 0) {
  if (isCounts(value)) return [{ label: label || "counts", counts: value }];
  if (depth >= DEEPEST || value === null || typeof value !== "object") return [];
  const found = [];
  for (const [name, one] of Object.entries(value).slice(0, 100)) {
    found.push(...findCounts(one, label ? `${label}.${name}` : name, depth + 1));
    if (found.length >= MOST_FOUND) break;
  }
  return found.slice(0, MOST_FOUND);
}

/** Return the shares of counts: they add up to 1. */
export function toShares(counts) {
  const total = Object.values(counts).reduce((sum, one) => sum + one, 0) || 1;
  return new Map(Object.entries(counts).map(([name, one]) => [name, one / total]));
}

/** Return half the sum of the differences of shares: 0 of equal ones, 1 of those that share nothing. */
export function findDistance(first, second) {
  let sum = 0;
  for (const name of new Set([...first.keys(), ...second.keys()]))
    sum += Math.abs((first.get(name) ?? 0) - (second.get(name) ?? 0));
  return sum / 2;
}
