// The fields of a form, made from a program's JSON Schema, and the parameters' text made of them.
import { texts } from "./texts.js";

const NUMBERS = ["integer", "number"];

const DEEPEST = 3;

let described = 0;

/** Return the path of what is within another: no two have the same, whatever they are named. */
export const joinPath = (within, name) => `${within}/${name.replace(/[~/]/g, "~$&")}`;

/** Return the fields of a schema, those that are required first; none where it lists none. */
export function listFields(schema, within = "", depth = 0) {
  const required = new Set(schema?.required ?? []);
  const properties = Object.entries(schema?.properties ?? {});
  const fields = properties.map(([name, inner]) => {
    return describeField(name, inner, { isRequired: required.has(name), path: joinPath(within, name), depth });
  });
  return fields.sort((a, b) => b.isRequired - a.isRequired);
}

/** Return a field: `path` is its name with those of the fields around it, `number` is its own on the page. */
export function describeField(name, schema, { isRequired = false, path, depth = 0 }) {
  described += 1;
  const inner = schema !== null && typeof schema === "object" ? schema : {};
  const types = [inner.type ?? []].flat().filter((one) => one !== "null");
  const kind = depth < DEEPEST && isGroup(inner, types) ? "group" : chooseKind(inner, types);
  const isList = depth < DEEPEST && kind === "json" && types.join() === "array" && isGroup(inner.items, [inner.items?.type ?? []].flat());
  return {
    name,
    path,
    number: described,
    depth,
    schema: inner,
    isRequired,
    types,
    kind: isList ? "list" : kind,
    fields: kind === "group" ? listFields(inner, path, depth + 1) : [],
    items: [],
    choices: Array.isArray(inner.enum) ? inner.enum : [],
    description: String(inner.description ?? ""),
    default: "default" in inner ? JSON.stringify(inner.default) : "",
    example: Array.isArray(inner.examples) && inner.examples.length ? JSON.stringify(inner.examples[0]) : "",
  };
}

/** Return whether a schema is of an object whose fields it lists; encoded objects are text. */
function isGroup(schema, types) {
  const names = Object.keys(schema?.properties ?? {});
  return types.join() === "object" && names.length > 0 && !names.includes("__type__");
}

function chooseKind(inner, types) {
  if (Array.isArray(inner.enum)) return "choice";
  if (types.length && types.every((one) => NUMBERS.includes(one))) return "number";
  if (types.length === 1 && types[0] === "boolean") return "flag";
  if (types.length === 1 && types[0] === "string") return "text";
  return "json";
}

/** Return whether a field can show a value's JSON text so that it is posted again as it is. */
export function canShow({ kind, choices }, text) {
  // A field of blanks is left out, and one of one line has no others.
  if (kind === "text") return /^"/.test(text) && /^[^\r\n]*\S[^\r\n]*$/.test(JSON.parse(text));
  if (kind === "flag") return text === "true" || text === "false";
  return kind !== "choice" || choices.some((one) => JSON.stringify(one) === JSON.stringify(JSON.parse(text)));
}

/** Return what a field shows for a value's JSON text. */
export function write(field, text) {
  if (field.kind === "text") return JSON.parse(text);
  return field.kind === "json" || field.kind === "number" ? text : JSON.stringify(JSON.parse(text));
}

/** Return a field's JSON text for what a person has put in; empty to leave it out. Throws what is wrong. */
export function readField(field, text) {
  const given = text.trim();
  if (field.kind === "text" && text) return JSON.stringify(text);
  if (!given) {
    if (field.isRequired) throw new Error(texts.missing);
    return "";
  }
  try {
    JSON.parse(given);
    return given;
  } catch {
    // A name of an optimizer, say, needs no quotes where a text will do.
    if (field.types.includes("string") && !/^[[{"]/.test(given)) return JSON.stringify(given);
    throw new Error(texts.noJson);
  }
}

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/gs;

/** Return the values of parameters' text by name, each as its text: numbers keep all their digits. */
export function splitParams(text) {
  const whole = JSON.parse(text);
  if (whole === null || typeof whole !== "object" || Array.isArray(whole)) throw new Error(texts.noObject);
  const parts = new Map();
  let [depth, name, begin] = [0, null, 0];
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    if (depth === 1 && name === null && token.startsWith('"')) name = JSON.parse(token);
    else if (depth === 1 && token === ":") begin = index + 1;
    else if (depth === 1 && name !== null && (token === "," || token === "}")) {
      parts.set(name, text.slice(begin, index).trim());
      name = null;
    }
    if (token === "{" || token === "[") depth += 1;
    if (token === "}" || token === "]") depth -= 1;
  }
  return parts;
}

/** Return the values of a list's text, each as its text. */
export function splitList(text) {
  if (!Array.isArray(JSON.parse(text))) throw new Error(texts.noJson);
  const parts = [];
  let [depth, begin] = [0, null];
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    if (depth === 1 && (token === "," || token === "]")) {
      if (begin !== null) parts.push(text.slice(begin, index).trim());
      begin = null;
    } else if (depth === 1) begin ??= index;
    if (token === "{" || token === "[") depth += 1;
    if (token === "}" || token === "]") depth -= 1;
  }
  return parts;
}

/** Return the parameters' text of fields' texts. */
export function joinParams(parts) {
  const given = parts.filter(([, text]) => text);
  return `{${given.map(([name, text]) => `${JSON.stringify(name)}: ${text}`).join(", ")}}`;
}
