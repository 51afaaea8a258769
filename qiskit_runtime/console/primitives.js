// The results of Sampler and Estimator: their bits as counts, their expectation values as rows.
import { readArray } from "./arrays.js";

const MOST_SETS = 24;
const MOST_ROWS = 1000;

/** Return the counts and the rows of numbers in a primitive's result, or in bits alone. */
export async function readPrimitive(value) {
  const found = { counts: [], estimates: { columns: [], rows: [], total: 0 } };
  if (value?.__type__ === "BitArray") await takeBits(found, "bits", value.__value__);
  if (value?.__type__ !== "PrimitiveResult") return found;
  for (const [index, pub] of value.__value__.pub_results.entries()) await takePub(found, index, pub);
  return found;
}

async function takePub(found, index, pub) {
  const fields = Object.entries(pub.__value__?.data?.__value__?.fields ?? {});
  const numbers = [];
  for (const [name, field] of fields) {
    if (field?.__type__ === "BitArray") await takeBits(found, `pubs[${index}].${name}`, field.__value__);
    else numbers.push([name, typeof field === "number" ? { shape: [], values: [field] } : await readArray(field)]);
  }
  takeNumbers(found.estimates, `pubs[${index}]`, numbers.filter(([, array]) => array));
}

/** Add counts of a register for each place of a pub's parameters. */
async function takeBits(found, label, { array, num_bits: size }) {
  const read = await readArray(array);
  if (!(read?.shape.length > 1)) return;
  const [shots, width] = read.shape.slice(-2);
  const places = read.shape.slice(0, -2);
  const count = places.reduce((product, one) => product * one, 1);
  for (let place = 0; place < count && found.counts.length < MOST_SETS; place += 1) {
    const begin = place * shots * width;
    const counts = countBits(read.values.slice(begin, begin + shots * width), width, size);
    found.counts.push({ label: label + namePlace(places, place), counts });
  }
}

/** Return how often each outcome is among shots of so many bytes, the last bits of which are it. */
function countBits(bytes, width, size) {
  const found = new Map();
  for (let at = 0; at < bytes.length; at += width) {
    const shot = String.fromCharCode(...bytes.slice(at, at + width));
    found.set(shot, (found.get(shot) ?? 0) + 1);
  }
  const spell = (shot) => [...shot].map((one) => one.charCodeAt(0).toString(2).padStart(8, "0")).join("").slice(-size);
  return Object.fromEntries([...found].map(([shot, count]) => [spell(shot), count]));
}

function takeNumbers(estimates, label, numbers) {
  if (!numbers.length) return;
  for (const [name] of numbers) if (!estimates.columns.includes(name)) estimates.columns.push(name);
  const longest = numbers.reduce((one, two) => (two[1].values.length > one[1].values.length ? two : one))[1];
  longest.values.forEach((_, place) => {
    estimates.total += 1;
    if (estimates.rows.length >= MOST_ROWS) return;
    const values = new Map(numbers.map(([name, array]) => [name, array.values[place]]));
    estimates.rows.push({ label: label + namePlace(longest.shape, place), values });
  });
}

/** Return an index such as [1, 0]; nothing for what has one place alone. */
function namePlace(shape, place) {
  if (!shape.length) return "";
  let rest = place;
  const indices = [...shape].reverse().map((length) => {
    const index = rest % length;
    rest = Math.floor(rest / length);
    return index;
  });
  return `[${indices.reverse().join(", ")}]`;
}
