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
    choices: inner.enum ?? [],
    description: inner.description ?? "",
    hasDefault: "default" in inner,
    default: inner.default,
    example: inner.examples?.[0],
    minimum: inner.minimum,
    maximum: inner.maximum,
  };
}

function chooseKind(inner, types) {
  if (Array.isArray(inner.enum)) return "choice";
  if (types.length && types.every((one) => NUMBERS.includes(one))) return "number";
  if (types.length === 1 && types[0] === "boolean") return "flag";
  if (types.length === 1 && types[0] === "string") return "text";
  return "json";
}

/** Return the text that a field shows for a value. */
export function write(field, value) {
  if (value === undefined) return "";
  if (field.kind === "text" && typeof value === "string") return value;
  return JSON.stringify(value);
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

/** Return the values of parameters' text by name, as text: numbers keep all their digits. */
export function splitParams(text) {
  const values = JSON.parse(text);
  if (values === null || typeof values !== "object" || Array.isArray(values)) throw new Error(texts.noObject);
  return new Map(Object.entries(values));
}

/** Return the parameters' text of fields' texts. */
export function joinParams(parts) {
  const given = parts.filter(([, text]) => text);
  return `{${given.map(([name, text]) => `${JSON.stringify(name)}: ${text}`).join(", ")}}`;
}
