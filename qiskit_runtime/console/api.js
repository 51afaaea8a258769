// The public REST API and the typed websocket: all that the console knows of its server.
import { texts } from "./texts.js";

/** An answer that is no success; `fields` are those that are wrong. */
export class ApiError extends Error {
  constructor(status, detail) {
    super(typeof detail === "string" ? detail : detail.map((one) => one.msg).join("; "));
    this.status = status;
    this.fields = typeof detail === "string" ? [] : detail;
  }
}

async function request(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new ApiError(0, texts.unreachable);
  }
  if (answer.status === 401) {
    const here = location.pathname + location.search;
    location.assign(`/login?next=${encodeURIComponent(here)}`);
  }
  if (!answer.ok) throw new ApiError(answer.status, await readDetail(answer));
  return answer;
}

async function readDetail(answer) {
  try {
    return (await answer.json()).detail ?? answer.statusText;
  } catch {
    return `${answer.status} ${answer.statusText}`;
  }
}

/** Return the JSON at a path. */
export const read = async (path) => (await request(path)).json();

/** Send a value as JSON and return the answer's, if it has one. */
export async function send(method, path, body) {
  const options = { method };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers = { "Content-Type": "application/json" };
  }
  const answer = await request(path, options);
  return answer.status === 204 ? null : answer.json();
}

/** Return the path of something by its name, whatever characters it has. */
export const path = (...parts) => `/${parts.map(encodeURIComponent).join("/")}`;

const ENDED = new Set([1000, 4404, 4410, 1008]);
const RETRY_MS = 2000;
/** Frames are shown in bunches: soon at first, and with time for clicks between them in a flood. */
const SOON_MS = 40;
const FLOOD_MS = 250;
const FLOOD_FRAMES = 50;

/**
 * Follow a job from its first frame: `take` gets frames in bunches.
 *
 * A connection that breaks off is opened again, and `reset` called: the record is read anew.
 * `end` gets the code of the last close. Returns a function that stops.
 */
export function follow(id, { take, reset, end }) {
  const base = location.origin.replace(/^http/, "ws");
  const state = { over: false, bunch: [], timer: 0 };
  const flush = () => {
    state.timer = 0;
    const bunch = state.bunch;
    state.bunch = [];
    state.isFlood = bunch.length > FLOOD_FRAMES;
    if (bunch.length && !state.over) take(bunch);
  };
  const open = () => {
    state.bunch = [];
    reset();
    state.socket = new WebSocket(`${base}${path("stream", "jobs", id)}?logs=true`);
    state.socket.onmessage = (event) => {
      state.bunch.push(JSON.parse(event.data));
      state.timer ||= setTimeout(flush, state.isFlood ? FLOOD_MS : SOON_MS);
    };
    state.socket.onclose = (event) => {
      clearTimeout(state.timer);
      flush();
      if (state.over) return;
      if (ENDED.has(event.code)) end(event.code);
      else state.retry = setTimeout(open, RETRY_MS);
    };
  };
  open();
  return () => {
    state.over = true;
    clearTimeout(state.retry);
    state.socket.close();
  };
}
