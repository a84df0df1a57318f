// The fleet from /api/v1/nodes, and the commands an operator can give a node.
import { ago, clockTime, fillRows, find, formatNumber, id, make, poll, row, setTile, statusBadge } from "./dom.js";
import { t } from "./words.js";

const MOST_ROWS = 200;
const COMMANDS = { drain: t("Drain"), cordon: t("Cordon"), resume: t("Resume"), disconnect: t("Disconnect"), shutdown: t("Shut down"), reload_config: t("Reload"), quarantine: t("Quarantine"), absolve: t("Absolve") };
const STANDINGS = { good: t("good"), probation: t("probation"), quarantine: t("quarantine"), trial: t("trial") };
const mayOperate = find("#fleet").dataset.mayOperate === "yes";
// On a phone a node's cells stand below each other, each with its name.
const labels = [...find("#nodes").tHead.rows[0].cells].map((cell) => cell.textContent);
let latest = [];

async function command(node, action) {
  if (action === "disconnect" && !confirm(t("Close the socket of {node}?", { node }))) return;
  if (action === "shutdown" && !confirm(t("Ask {node} to end?", { node }))) return;
  const answer = await fetch(`/api/v1/nodes/${encodeURIComponent(node)}/${action}`, {
    method: "POST",
    headers: { "X-CSRFToken": find("meta[name=csrf]").content, Accept: "application/json" },
  });
  const told = await answer.json();
  find("#done").textContent = answer.ok ? `${COMMANDS[action]}: ${node}` : told.message ?? told.detail;
  await refresh();
}

function buttons(node) {
  const offered = { "": ["drain", "cordon"], drain: ["resume", "cordon"], cordon: ["resume"] }[node.held].concat("disconnect", "shutdown", "reload_config", node.standing.state === "good" ? "quarantine" : "absolve");
  return make("td", { class: "acts" }, ...offered.map((action) => {
    const button = make("button", { type: "button", disabled: !mayOperate, "data-act": action, "aria-label": `${COMMANDS[action]} ${node.node_id}` }, COMMANDS[action]);
    button.addEventListener("click", () => command(node.node_id, action));
    return button;
  }));
}

// What its work so far says of a node: state, why, since when and until when.
function standing({ state, reason, since_ms, ends_at_ms }) {
  if (state === "good") return STANDINGS.good;
  const until = state === "trial" ? t("one job decides") : t("until {time}", { time: clockTime(ends_at_ms) });
  return t("{state}: {reason}, since {since}, {until}", { state: STANDINGS[state] ?? state, reason, since: clockTime(since_ms), until });
}

// What a second of audio takes a node, beside the node in the middle; the latest figure first.
function speed({ speeds }) {
  const said = speeds.map((one) => make("li", { class: one.ms_per_second > 2 * one.median_ms_per_second ? "slow" : "" },
    `${t("{n} ms, median {median}", { n: formatNumber(one.ms_per_second), median: formatNumber(one.median_ms_per_second) })}${speeds.length > 1 ? ` (${one.services.join(", ")})` : ""}`));
  return said.length ? make("ul", { class: "plain speeds" }, ...said) : "–";
}

// What operators should know of a node's program: frames that were not as declared, an id that two have.
function trouble({ flaws, takeovers }) {
  const count = flaws.repaired + flaws.dropped + flaws.refused;
  const said = count ? [t("{count} frames not as declared, last: {last}", { count, last: flaws.last })] : [];
  if (flaws.failures) said.push(t("{count} failures, last: {last}", { count: flaws.failures, last: flaws.last_failure }));
  return said.concat(takeovers ? t("id taken {count} times from a living connection", { count: takeovers }) : []).join("; ") || "–";
}

function show() {
  const wanted = find("#node-filter").value.trim().toLowerCase();
  const words = (node) => [node.node_id, node.status, node.standing.state, ...node.languages, ...node.services.map((entry) => entry.service_id)].join(" ");
  const nodes = latest.filter((node) => !wanted || words(node).toLowerCase().includes(wanted));
  fillRows("#nodes", nodes.slice(0, MOST_ROWS).map((node) => {
    const line = row(
      id(node.node_id), statusBadge(node.status), `${node.current_jobs} / ${node.max_concurrent_jobs}`,
      node.languages.join(", ") || "–", node.services.map((entry) => entry.service_id).join(", ") || "–",
      ago(node.last_heartbeat), standing(node.standing), speed(node), trouble(node), buttons(node));
    labels.forEach((label, place) => line.cells[place].setAttribute("data-label", label));
    line.dataset.node = node.node_id;
    line.dataset.status = node.status;
    line.dataset.standing = node.standing.state;
    return line;
  }), { empty: t("No node is connected.") });
}

function take({ nodes }) {
  latest = nodes;
  const ready = nodes.filter((node) => node.status === "Ready");
  setTile("ready", `${ready.length} / ${nodes.length}`);
  setTile("draining", nodes.filter((node) => node.online && node.draining).length);
  setTile("held-back", nodes.filter((node) => node.online && node.standing.state !== "good").length);
  setTile("free", ready.reduce((sum, node) => sum + Math.max(0, node.max_concurrent_jobs - node.current_jobs), 0));
  // A button that has the focus keeps it: the table is not rebuilt under somebody's hands.
  if (!find("#nodes").contains(document.activeElement)) show();
}

async function refresh() {
  document.activeElement?.blur();
  take(await (await fetch("/api/v1/nodes", { headers: { Accept: "application/json" } })).json());
}

find("#node-filter").addEventListener("input", show);
poll("/api/v1/nodes", take, { everyMs: 2000 });
