// A job once more: the same program, parameters and seed.
import { send } from "./api.js";

/** Return the parameters' text with this seed: as it was posted, but for a seed that it had not. */
export function withSeed(text, seed) {
  const has = /"seed_simulator"\s*:\s*[0-9]/.test(text);
  if (seed == null || has) return text;
  const fields = JSON.parse(text);
  if ("seed_simulator" in fields) return JSON.stringify({ ...fields, seed_simulator: seed });
  const inner = text.trim().replace(/^\{\s*/, "");
  return `{"seed_simulator": ${seed}${inner.startsWith("}") ? "" : ", "}${inner}`;
}

/** Post a job like this one and return its id. */
export async function runAgain(job) {
  const { program, hub, group, project, backend, tags } = job;
  const params = [withSeed(job.params[0] ?? "{}", job.seeds?.simulator)];
  const body = { programId: program, hub, group, project, backend, tags, params };
  return (await send("POST", "/jobs", body)).id;
}
