// Jobs that are over, from /api/v1/jobs/history, by filters that stand in the address; one of them step by step.
import { clockTime, fillRows, find, formatNumber, make, number, row, showFreshness } from "./dom.js";
import { t } from "./words.js";

const PAGE = 50;
const FILTERS = ["state", "reason", "session_id", "node_id", "tenant_id"];
const REASONS = ["NO_AVAILABLE_NODE", "NO_CAPABLE_NODE", "PREFERRED_NODE_NOT_CAPABLE", "JOB_TIMEOUT", "DEADLINE_EXCEEDED", "SPEECH_ABANDONED", "CANCELLED"];
const TONES = { DONE: "good", FAILED: "bad", CANCELLED: "warn" };
const STATES = { DONE: t("done"), FAILED: t("failed"), CANCELLED: t("cancelled") };
const STEPS = {
  NEW: t("accepted by the scheduler"), SELECTING: t("a node is looked for"), RESERVED: t("a slot was taken"), DISPATCHED: t("sent to the node"), ACKED: t("accepted by the node"),
  RUNNING: t("the node works"), RETRYING: t("to be tried again"), DONE: t("done"), FAILED: t("failed"), CANCELLED: t("cancelled"), RELEASED: t("over"),
};
const asked = new URLSearchParams(location.search);
// On a phone a job's cells stand below each other, each with its name.
const labels = [...find("#jobs").tHead.rows[0].cells].map((cell) => cell.textContent);
let offset = Math.max(0, Number(asked.get("offset")) || 0);

const get = (path) => fetch(path, { headers: { Accept: "application/json" } });
const seconds = (ms) => ms < 1000 ? `${formatNumber(ms)} ms` : `${formatNumber(ms / 1000, 1)} s`;

function sayProblem(text) { find("#problem").textContent = text; }

// This page's address with other values; empty ones are left out.
function address(changes) {
  const next = new URLSearchParams(asked);
  for (const [name, value] of Object.entries(changes)) next.set(name, value);
  for (const [name, value] of [...next]) if (!value || value === "0") next.delete(name);
  return `/jobs?${next}`;
}

function when(ms) {
  const moment = new Date(ms);
  const isToday = moment.toDateString() === new Date().toDateString();
  return isToday ? clockTime(ms) : `${moment.toLocaleDateString("sv")} ${clockTime(ms)}`;
}

function describeRow(job) {
  const link = make("a", { href: address({ job: job.job_id }), "data-job": job.job_id }, job.job_id);
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    history.pushState(null, "", link.href);
    showOne(job.job_id);
  });
  const only = (name, value) => value ? make("a", { class: "quiet", href: address({ [name]: value, offset: "", job: "" }), title: t("Only these") }, value) : "–";
  const line = row(when(job.ended_at_ms), make("span", { class: `badge ${TONES[job.state] ?? ""}` }, STATES[job.state] ?? job.state),
    make("td", { class: "id" }, link), [job.src_lang, job.tgt_lang].filter(Boolean).join(" → ") || "–",
    make("td", { class: "number" }, seconds(job.duration_ms)), number(job.attempts),
    make("td", { class: "id" }, only("node_id", job.node_id)), make("td", { class: "id" }, only("session_id", job.session_id)), only("reason", job.reason));
  labels.forEach((label, place) => line.cells[place].setAttribute("data-label", label));
  line.dataset.state = job.state;
  return line;
}

async function showPage() {
  const query = new URLSearchParams({ limit: PAGE, offset });
  for (const name of FILTERS) if (asked.get(name)) query.set(name, asked.get(name));
  if (Number(asked.get("last"))) query.set("since", new Date(Date.now() - asked.get("last") * 60_000).toISOString());
  try {
    const answer = await get(`/api/v1/jobs/history?${query}`);
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.message ?? told.detail ?? `HTTP ${answer.status}`);
    const { count, results } = told;
    fillRows("#jobs", results.map(describeRow), { empty: [...asked].length ? t("No job fits.") : t("No job has ended yet.") });
    find("#count").textContent = count ? t("{first} to {last} of {count}", { first: formatNumber(offset + 1), last: formatNumber(offset + results.length), count: formatNumber(count) }) : "";
    find("#newer").disabled = offset === 0;
    find("#older").disabled = offset + results.length >= count;
    sayProblem("");
    showFreshness(t("updated {time}", { time: clockTime(Date.now()) }));
  } catch (error) {
    sayProblem(t("The jobs could not be read: {why}", { why: error.message }));
  }
  document.body.dataset.loaded = "yes";
}

function drawAttempt({ attempt, failure, steps }, longest) {
  const title = failure ? t("Attempt {n}: {failure}", { n: attempt, failure }) : t("Attempt {n}", { n: attempt });
  return make("table", { class: "steps" }, make("caption", {}, title),
    make("thead", {}, make("tr", {}, ...[t("At"), t("Step"), t("After"), ""].map((name) => name ? make("th", { scope: "col" }, name) : make("td", {})))),
    make("tbody", {}, ...steps.map((step) => row(
      clockTime(step.at_ms), make("span", { title: step.state }, STEPS[step.state] ?? step.state), make("td", { class: "number" }, seconds(step.since_ms)),
      make("td", { class: "wide" }, make("span", { class: "bar" }, make("i", { "width%": (100 * step.since_ms) / Math.max(1, longest) })))))));
}

async function showOne(jobId) {
  find("#one").hidden = !jobId;
  if (!jobId) return;
  find("#one-title").textContent = jobId;
  find("#one-why").href = `/why?job_id=${encodeURIComponent(jobId)}`;
  find("#one-attempts").replaceChildren();
  try {
    const answer = await get(`/api/v1/jobs/${encodeURIComponent(jobId)}`);
    const job = await answer.json();
    if (!answer.ok) throw new Error(job.message ?? job.detail ?? `HTTP ${answer.status}`);
    const longest = Math.max(...job.attempts.flatMap(({ steps }) => steps.map((step) => step.since_ms)));
    const said = [
      STATES[job.ended_as] ?? STEPS[job.state] ?? job.state, job.reason, `${job.need.src} → ${job.need.tgt}`,
      job.node_id ? t("node {node}", { node: job.node_id }) : "", t("session {session}", { session: job.session_id }),
      job.tenant_id ? t("tenant {tenant}", { tenant: job.tenant_id }) : "", t("began {time}", { time: when(job.created_at_ms) }),
    ];
    find("#one-told").textContent = said.filter(Boolean).join(" · ");
    find("#one-attempts").replaceChildren(...job.attempts.map((attempt) => drawAttempt(attempt, longest)));
  } catch (error) {
    find("#one-told").textContent = error.message;
  }
  find("#one-title").focus();
}

function turn(by) {
  offset = Math.max(0, offset + by);
  asked.set("offset", offset);
  history.replaceState(null, "", address({ offset }));
  showPage();
}

for (const name of [...FILTERS, "last"]) find(`#filters [name=${name}]`).value = asked.get(name) ?? "";
find("#reasons-known").replaceChildren(...REASONS.map((value) => make("option", { value })));
// Fields that are empty do not stand in the address.
find("#filters").addEventListener("formdata", ({ formData }) => {
  for (const [name, value] of [...formData]) if (!value.trim()) formData.delete(name);
});
find("#newer").addEventListener("click", () => turn(-PAGE));
find("#older").addEventListener("click", () => turn(PAGE));
find("#one-close").addEventListener("click", () => {
  history.pushState(null, "", address({ job: "" }));
  showOne("");
});
addEventListener("popstate", () => showOne(new URLSearchParams(location.search).get("job") ?? ""));
showPage();
if (asked.get("job")) showOne(asked.get("job"));
