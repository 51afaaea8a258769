// Arrays of NumPy as results have them: a .npy file, deflated, in base64.

/** No array that is larger is read: a page is no place for it, and its size may be a lie. */
const MOST_BYTES = 32 * 1024 * 1024;
const MAGIC = "\x93NUMPY";

/** Read a number of a kind and size at a place, by the letters that NumPy gives them. */
const READERS = {
  b1: (view, at) => view.getUint8(at),
  u1: (view, at) => view.getUint8(at),
  i1: (view, at) => view.getInt8(at),
  i2: (view, at, little) => view.getInt16(at, little),
  u2: (view, at, little) => view.getUint16(at, little),
  i4: (view, at, little) => view.getInt32(at, little),
  u4: (view, at, little) => view.getUint32(at, little),
  i8: (view, at, little) => Number(view.getBigInt64(at, little)),
  u8: (view, at, little) => Number(view.getBigUint64(at, little)),
  f4: (view, at, little) => view.getFloat32(at, little),
  f8: (view, at, little) => view.getFloat64(at, little),
};

/** Return the shape and the numbers, row by row, of an array's form; null where it has no numbers. */
export async function readArray(form) {
  const value = form?.__value__;
  if (typeof value === "number") return { shape: [], values: [value] };
  if (Array.isArray(value)) return readLists(value);
  return typeof value === "string" ? parse(await inflate(value)) : null;
}

function readLists(lists) {
  const shape = [];
  for (let level = lists; Array.isArray(level); level = level[0]) shape.push(level.length);
  const values = lists.flat(Infinity);
  const isWhole = values.length === shape.reduce((product, one) => product * one, 1);
  return isWhole && values.every((one) => typeof one === "number") ? { shape, values } : null;
}

async function inflate(text) {
  const packed = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const reader = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
  const parts = [];
  let size = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    size += part.value.length;
    if (size > MOST_BYTES) {
      await reader.cancel();
      throw new RangeError("the array is too large");
    }
    parts.push(part.value);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** Return the shape and the numbers of a .npy file's bytes; null where it holds something else. */
function parse(bytes) {
  const view = new DataView(bytes.buffer);
  if (String.fromCharCode(...bytes.subarray(0, 6)) !== MAGIC) return null;
  const isFirst = bytes[6] === 1;
  const begin = isFirst ? 10 : 12;
  const end = begin + (isFirst ? view.getUint16(8, true) : view.getUint32(8, true));
  const header = new TextDecoder().decode(bytes.subarray(begin, end));
  const [, order, kind] = header.match(/'descr': '([<>|=])(\w+)'/) ?? [];
  const read = READERS[kind];
  if (!read) return null;
  const shape = (header.match(/'shape': \(([^)]*)\)/)?.[1].match(/\d+/g) ?? []).map(Number);
  const size = Number(kind.slice(1));
  const count = shape.reduce((product, one) => product * one, 1);
  if (bytes.length - end !== count * size) return null;
  // Bits may be millions: they are not copied.
  const values = kind === "u1" ? bytes.subarray(end) : Array.from({ length: count }, (_, index) => read(view, end + index * size, order !== ">"));
  return { shape, values: header.includes("'fortran_order': True") ? turn(shape, values) : values };
}

/** Return values that are column by column as they are row by row. */
function turn(shape, values) {
  return values.map((_, index) => {
    let [at, rest, step] = [0, index, values.length];
    const places = shape.map((length) => {
      step /= length;
      const place = Math.floor(rest / step);
      rest %= step;
      return place;
    });
    for (let axis = shape.length - 1; axis >= 0; axis -= 1) at = at * shape[axis] + places[axis];
    return values[at];
  });
}
