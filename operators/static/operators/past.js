// What had happened before the page was opened, from the history of jobs: as the live feed tells it.

const MINUTE_MS = 60_000;
const MOST_ROWS = 500;
// A job is in the history a moment after it ended.
const LATE_MS = 2_000;

// Jobs that ended within the last minutes as steps, oldest first; none where no history can be read.
export async function readPast(minutes) {
  const since = new Date(Date.now() - minutes * MINUTE_MS).toISOString();
  try {
    const answer = await fetch(`/api/v1/jobs/history?since=${since}&limit=${MOST_ROWS}`, { headers: { Accept: "application/json" } });
    if (!answer.ok) return [];
    const { results } = await answer.json();
    return results.reverse().map((job) => [job.state, job.job_id, job.session_id, job.node_id ?? "", job.reason ?? "", job.attempts, 0, job.duration_ms, job.ended_at_ms]);
  } catch {
    return [];
  }
}

const pick = (sorted, share) => sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] : undefined;

// The last minute of those steps, second by second; before the oldest of a full answer nothing is known.
export function countSeconds(steps, now) {
  const known = steps.length < MOST_ROWS ? now - MINUTE_MS : Math.max(now - MINUTE_MS, steps[0][8]);
  const seconds = [];
  for (let from = now - MINUTE_MS; from < now; from += 1000) {
    const ended = steps.filter((step) => step[8] >= from && step[8] < from + 1000);
    const done = ended.filter((step) => step[0] === "DONE");
    const took = done.map((step) => step[7]).sort((one, other) => one - other);
    seconds.push(from < known || from + 1000 > now - LATE_MS ? {} : { done: done.length, failed: ended.filter((step) => step[0] === "FAILED").length, "total-50": pick(took, 0.5), "total-99": pick(took, 0.99) });
  }
  return seconds;
}
