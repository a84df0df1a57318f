// Decisions about one job from /api/v1/jobs/<id>/why; the jobs that ended last to choose from.
import { ago, clockTime, fillRows, find, make, number, poll, row } from "./dom.js";
import { t } from "./words.js";

function table(caption, names, rows) {
  if (!rows.length) return null;
  return make("table", {}, make("caption", {}, caption),
    make("thead", {}, make("tr", {}, ...names.map((name) => make("th", { scope: "col" }, name)))),
    make("tbody", {}, ...rows));
}

function describe(decision) {
    const pools = decision.pools.map((pool) => pool || t("all nodes")).join(", ") || t("none");
  return make("section", { class: "decision" },
    make("h3", {}, `${clockTime(decision.at_ms)} ${t("attempt {n}: {outcome}", { n: decision.attempt, outcome: decision.outcome })}${decision.node_id ? t(" at {node}", { node: decision.node_id }) : ""}${decision.reason ? `, ${decision.reason}` : ""}`),
    make("p", {}, t("Pools looked into: {pools}{fallback}. Choosing took {choosing} µs, all of it {all} µs.", { pools, fallback: decision.fallback ? t(" (fallback)") : "", choosing: decision.choosing_us, all: decision.elapsed_us })),
    table(t("Looked at"), [t("Node"), t("Load"), t("Passed over")], decision.looked_at.map((seen) => row(seen.node_id, seen.load, seen.lacks.length ? t("{reason}; {node} lacks: {lacks}", { reason: seen.passed_over, node: seen.node_id, lacks: seen.lacks.join(", ") }) : seen.passed_over ?? t("no")))),
    table(t("Asked for a slot"), [t("Node"), t("Answer"), t("Load"), "µs"], decision.answers.map((slot) => row(slot.node_id, slot.word, slot.load, slot.elapsed_us))));
}

// Nodes that are in no good standing now; what they were then, "Passed over" says.
function listStandings(standings) {
  return table(t("Standing now"), [t("Node"), t("State"), t("Reason"), t("Since"), t("Until")], standings.map((one) => row(one.node_id, one.state, one.reason, clockTime(one.since_ms), clockTime(one.ends_at_ms))));
}

// How fast those looked at are with the job's services, beside the fleet's median.
function listSpeeds(speeds) {
  return table(t("Speed now, milliseconds for a second of audio"), [t("Node"), t("Speed"), t("Median"), t("Of nodes"), t("Measured")], speeds.map((one) => row(one.node_id, number(one.ms_per_second), number(one.median_ms_per_second), number(one.nodes_measured), ago(one.measured_at_ms))));
}

const STATES = { DONE: t("done"), FAILED: t("failed"), CANCELLED: t("cancelled") };
const OVER = new Set(["DONE", "FAILED", "CANCELLED", "RELEASED"]);
const COMMANDS = { cancel: t("Cancel"), again: t("Once more") };
const mayOperate = find("#acts").dataset.mayOperate === "yes";

async function command(job, action) {
  if (action === "cancel" && !confirm(t("End {job} without a result?", { job }))) return;
  const answer = await fetch(`/api/v1/jobs/${encodeURIComponent(job)}/${action}`, {
    method: "POST",
    headers: { "X-CSRFToken": find("meta[name=csrf]").content, Accept: "application/json" },
  });
  const told = await answer.json();
  await ask(job);
  find("#done").textContent = answer.ok ? `${COMMANDS[action]}: ${job}` : told.message ?? told.detail;
}

function buttons(job, isOver) {
  return Object.keys(COMMANDS).map((action) => {
    const button = make("button", { type: "button", disabled: !mayOperate || isOver, "data-act": action, "aria-label": `${COMMANDS[action]} ${job}` }, COMMANDS[action]);
    button.addEventListener("click", () => command(job, action));
    return button;
  });
}

async function ask(job) {
  find("#job").value = job;
  const answer = await fetch(`/api/v1/jobs/${encodeURIComponent(job)}/why`, { headers: { Accept: "application/json" } });
  const told = await answer.json();
  find("#answer").hidden = false;
  find("#told").textContent = answer.ok
    ? `${told.job_id}: ${told.state}${told.node_id ? t(" on {node}", { node: told.node_id }) : ""}${told.reason ? `, ${told.reason}` : ""}, ${told.need.src} → ${told.need.tgt}`
    : told.message;
  find("#done").textContent = "";
  find("#acts").replaceChildren(...(answer.ok ? buttons(told.job_id, OVER.has(told.state)) : []));
  const decisions = answer.ok ? [...told.decisions.map(describe), listStandings(told.standings), listSpeeds(told.speeds)].filter(Boolean) : [];
  find("#decisions").replaceChildren(...(decisions.length ? decisions : [make("p", { class: "empty" }, t("No decision is kept."))]));
}

find("#ask").addEventListener("submit", (event) => {
  event.preventDefault();
  ask(find("#job").value.trim());
});
poll("/api/v1/jobs?limit=50", ({ results }) => {
  fillRows("#jobs", results.map((job) => {
    const button = make("button", { type: "button", "data-job": job.job_id }, job.job_id || t("refused at once"));
    button.disabled = !job.job_id;
    button.addEventListener("click", () => ask(job.job_id));
    return row(make("td", {}, button), STATES[job.state] ?? job.state, job.reason ?? "–", job.node_id ?? "–", clockTime(job.at_ms));
  }), { empty: t("No job has ended on this instance.") });
}, { everyMs: 3000 });
const named = new URLSearchParams(location.search).get("job_id");
if (named) ask(named);
