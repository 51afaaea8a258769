// Fields within fields: objects as groups, and lists of objects as groups that can be added to.
import { canShow, describeField, joinParams, joinPath, readField, splitList, splitParams, write } from "./fields.js";

/** `values` are what a person has put in, by the fields' paths. */
export function fillField(values, field, text) {
  try {
    if (field.kind === "group") return fillGroup(values, field, splitParams(text));
    if (field.kind === "list") return fillList(values, field, splitList(text));
  } catch {
    // It has another form than its schema's: null, say, or an encoded object.
    field.kind = "json";
  }
  if (!canShow(field, text)) field.kind = "json";
  values.set(field.path, write(field, text));
}

function fillGroup(values, field, given) {
  field.isGiven = true;
  const known = new Set(field.fields.map((one) => one.name));
  // A name that the schema does not list has a field too.
  for (const name of given.keys()) {
    if (!known.has(name)) field.fields.push(describeField(name, {}, { path: joinPath(field.path, name) }));
  }
  for (const one of field.fields) if (given.has(one.name)) fillField(values, one, given.get(one.name));
}

function fillList(values, field, given) {
  Object.assign(field, { isGiven: true, items: [] });
  for (const text of given) fillField(values, addItem(field), text);
}

/** Add an entry to a list of objects, and return its field. */
export function addItem(field) {
  field.added = (field.added ?? 0) + 1;
  const path = joinPath(field.path, String(field.added));
  const item = describeField("", field.schema.items, { isRequired: true, path, depth: field.depth + 1 });
  field.items.push(item);
  return item;
}

/** Turn a group or a list into its text, which a person may write as they like; what is wrong in it stays. */
export function asText(values, field) {
  const text = readDeep(values, field);
  Object.assign(field, { kind: "json", isGiven: false });
  values.set(field.path, text);
}

/** Return a field's JSON text, empty to leave it out; `errors`, if given, get what is wrong, by the paths. */
export function readDeep(values, field, errors) {
  if (isEmpty(values, field) && !field.isRequired) return "";
  if (field.kind === "group") return joinParams(field.fields.map((one) => [one.name, readDeep(values, one, errors)]));
  if (field.kind === "list") return `[${field.items.map((one) => readDeep(values, one, errors)).filter(Boolean).join(", ")}]`;
  const text = values.get(field.path) ?? "";
  try {
    return readField(field, text);
  } catch (error) {
    errors?.set(field.path, error.message);
    return text.trim();
  }
}

/** A group or a list that a job was given is none, though it has nothing in it: it is no default. */
function isEmpty(values, field) {
  if (field.isGiven) return false;
  if (field.kind === "group") return field.fields.every((one) => isEmpty(values, one));
  if (field.kind === "list") return !field.items.length;
  return !values.get(field.path)?.trim();
}

/** Return the path of the field that the server means by the names and numbers that lead there. */
export function findPath(fields, place) {
  const begin = place.findIndex((step) => fields.some((one) => one.name === step));
  let [found, inner] = [null, fields];
  for (const step of begin < 0 ? [] : place.slice(begin)) {
    const next = typeof step === "number" ? inner[step] : inner.find((one) => one.name === step);
    if (!next) break;
    found = next;
    inner = next.kind === "list" ? next.items : next.kind === "group" ? next.fields : [];
  }
  return found?.path;
}
