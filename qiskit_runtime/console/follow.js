// A job's record, followed over its websocket.
import { follow } from "./api.js";
import { JobRecord } from "./record.js";

/** Follow a job's record; `show` gets it after each change, and the code of its end, if it ended. */
export function followRecord(id, show) {
  let record;
  return follow(id, {
    reset: () => (record = new JobRecord()),
    take: (frames) => {
      record.take(frames);
      show(record, 0);
    },
    end: (code) => show(record, code),
  });
}
