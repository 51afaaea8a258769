// A job once more: the same program, parameters and seed.
import { send } from "./api.js";
import { joinParams, splitParams } from "./fields.js";

/** Return the parameters' text with this seed: as posted, but for a seed that was not there. */
export function withSeed(text, seed) {
  const parts = splitParams(text);
  const given = parts.get("seed_simulator") ?? "null";
  if (seed == null || given !== "null") return text;
  return joinParams([...parts.set("seed_simulator", String(seed))]);
}

/** Post a job like this one and return its id. */
export async function runAgain(job) {
  const { program, hub, group, project, backend, tags } = job;
  const params = [withSeed(job.params[0] ?? "{}", job.seeds?.simulator)];
  const body = { programId: program, hub, group, project, backend, tags, params };
  return (await send("POST", "/jobs", body)).id;
}
