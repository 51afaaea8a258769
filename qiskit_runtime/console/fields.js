// The fields of a form, made from a program's JSON Schema, and the parameters' text made of them.
import { texts } from "./texts.js";

const NUMBERS = ["integer", "number"];

/** Return the fields of a schema, those that are required first; none where it lists none. */
export function listFields(schema) {
  const required = new Set(schema?.required ?? []);
  const properties = Object.entries(schema?.properties ?? {});
  const fields = properties.map(([name, inner]) => describeField(name, inner, required.has(name)));
  return fields.sort((a, b) => b.isRequired - a.isRequired);
}

function describeField(name, schema, isRequired) {
  const inner = schema !== null && typeof schema === "object" ? schema : {};
  const types = [inner.type ?? []].flat().filter((one) => one !== "null");
  return {
    name,
    isRequired,
    types,
    kind: chooseKind(inner, types),
    choices: Array.isArray(inner.enum) ? inner.enum : [],
    description: String(inner.description ?? ""),
    default: "default" in inner ? JSON.stringify(inner.default) : "",
    example: Array.isArray(inner.examples) && inner.examples.length ? JSON.stringify(inner.examples[0]) : "",
  };
}

function chooseKind(inner, types) {
  if (Array.isArray(inner.enum)) return "choice";
  if (types.length && types.every((one) => NUMBERS.includes(one))) return "number";
  if (types.length === 1 && types[0] === "boolean") return "flag";
  if (types.length === 1 && types[0] === "string") return "text";
  return "json";
}

/** Return what a field shows for a value's JSON text. */
export function write(field, text) {
  if (field.kind === "text") return text.startsWith('"') ? JSON.parse(text) : "";
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

/** Return the parameters' text of fields' texts. */
export function joinParams(parts) {
  const given = parts.filter(([, text]) => text);
  return `{${given.map(([name, text]) => `${JSON.stringify(name)}: ${text}`).join(", ")}}`;
}
