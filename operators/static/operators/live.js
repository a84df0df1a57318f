// The live page: one WebSocket brings what changed, at most five times a second.
import { LineChart } from "./chart.js";
import { clockTime, find, formatNumber, make, setTile, showFreshness } from "./dom.js";
import { Flow } from "./flow.js";
import { drawPairs } from "./pairs.js";
import { Slots } from "./slots.js";

const MOST_LINES = 40;
const REASONS_SHOWN = 6;
const REASONS_FOR_MS = 10 * 60 * 1000;
const STAGES = [["place", "placing", "series-2"], ["accept", "accepting", "series-3"], ["work", "working", "series-4"], ["total", "in all", "series-1"]];
const TEXTS = [["text_stream", "heard while it was said", "series-4"], ["text_parcel", "heard whole", "series-1"]];

const flow = new Flow(find("#flow"));
const slots = new Slots(find("#slots"));
const rates = new LineChart(find("#rates"), find("#rates-legend"), [
  { key: "done", label: "done", color: "series-2" },
  { key: "failed", label: "refused or failed", color: "series-5" },
  { key: "retried", label: "retried", color: "series-3" },
]);
const stages = new LineChart(
  find("#stages"),
  find("#stages-legend"),
  STAGES.flatMap(([key, label, shade]) => [
    { key: `${key}-50`, label, color: shade, pair: `${key}-99` },
    { key: `${key}-99`, label, color: shade, dashed: true },
  ]),
  { unit: " ms" },
);
const waits = new LineChart(find("#waits"), find("#waits-legend"), [
  { key: "wait-50", label: "p50 / p99", color: "series-5", pair: "wait-99" },
  { key: "wait-99", label: "p99", color: "series-5", dashed: true },
  { key: "waiting", label: "jobs in line", color: "series-1" },
], { unit: " ms", plain: ["waiting"] });
const texts = new LineChart(
  find("#texts"),
  find("#texts-legend"),
  TEXTS.flatMap(([key, label, shade]) => [
    { key: `${key}-50`, label, color: shade, pair: `${key}-99` },
    { key: `${key}-99`, label, color: shade, dashed: true },
  ]),
  { unit: " ms" },
);
const streams = make("b", { "data-streams": true }, "0");
find("#flow-legend").replaceChildren(
  ...[["series-1", "on its way"], ["good", "done"], ["warn", "tried again"], ["bad", "refused or failed"]].map(([shade, label]) => {
    const swatch = make("i");
    swatch.style.background = `var(--${shade})`;
    return make("li", {}, swatch, label);
  }),
  make("li", {}, make("i", { class: "dashes" }), "a line: heard while it is spoken ", streams),
);

let isPaused = false;
let isDirty = true;

function addLine(place, step) {
  const [state, jobId, sessionId, nodeId, reason, attempt, , ageMs, atMs] = step;
  const tone = { DONE: "good", FAILED: "bad", RETRYING: "warn" }[state] ?? "";
  const name = attempt === 0 ? make("code", {}, sessionId) : make("a", { href: `/why?job_id=${encodeURIComponent(jobId)}` }, make("code", {}, jobId));
  const where = [nodeId, attempt > 1 ? `attempt ${attempt}` : "", reason].filter(Boolean).join(" · ");
  const list = find(place);
  list.prepend(
    make("li", {}, make("time", {}, clockTime(atMs)), make("span", { class: `badge ${tone}` }, state.toLowerCase()),
      make("span", { class: "grow" }, name, where ? ` ${where}` : ""), make("span", { class: "took" }, ageMs ? `${formatNumber(ageMs, 1)} ms` : "")),
  );
  while (list.children.length > MOST_LINES) list.lastChild.remove();
}

function showSteps(steps) {
  const now = performance.now();
  const shown = steps.slice(-MOST_LINES);
  for (const step of steps) {
    if (step[5] > 0) flow.step(step, now);
  }
  for (const step of shown) {
    if (step[0] === "DONE") addLine("#jobs", step);
    else if (step[0] === "FAILED" || step[0] === "RETRYING" || step[0] === "CANCELLED") addLine("#refusals", step);
  }
}

let reasons = [];

function showReasons(counted) {
  const now = Date.now();
  if (Object.keys(counted ?? {}).length) reasons.push([now, counted]);
  reasons = reasons.filter(([at]) => now - at < REASONS_FOR_MS);
  const sums = new Map();
  for (const [, words] of reasons) {
    for (const [word, count] of Object.entries(words)) sums.set(word, (sums.get(word) ?? 0) + count);
  }
  const rows = [...sums].sort((one, other) => other[1] - one[1]).slice(0, REASONS_SHOWN);
  const most = Math.max(1, ...rows.map(([, count]) => count));
  find("#reasons").replaceChildren(...rows.map(([word, count]) =>
    make("li", {}, make("code", { class: "grow" }, word), make("b", {}, formatNumber(count)), make("span", { class: "bar" }, make("i", { "width%": (100 * count) / most })))));
}

function showCoverage(pairs) {
  if (!pairs) return;
  const bad = drawPairs(find("#coverage"), pairs);
  find("#coverage-summary").textContent = pairs.length
    ? `${formatNumber(pairs.length)} pair${pairs.length === 1 ? "" : "s"}; ${formatNumber(bad.none)} without a ready node, ${formatNumber(bad.one)} with one alone, ${formatNumber(bad.heldBack)} by nodes in no good standing alone.`
    : "No node offers a pair of languages.";
}

function showNow(frame) {
  setTile("instances", frame.instances);
  const { load, offered } = slots.totals();
  setTile("sessions", frame.sessions);
  setTile("waiting", frame.waiting);
  setTile("nodes", slots.nodes.size);
  streams.textContent = formatNumber(flow.streams);
  setTile("slots", `${formatNumber(load)} / ${formatNumber(offered)}`);
}

function take(frame) {
  if (frame.type === "whole") {
    slots.replace(frame.nodes);
    showCoverage(frame.coverage);
    for (const step of frame.ended) addLine(step[0] === "DONE" ? "#jobs" : "#refusals", step);
  } else {
    slots.change(frame.nodes, frame.gone);
    showSteps(frame.steps);
    showCoverage(frame.coverage);
    if (frame.second || Object.keys(frame.reasons).length) showReasons(frame.reasons);
    if (frame.second) {
      const { second } = frame;
      setTile("done", second.done);
      setTile("failed", second.failed);
      rates.add(second);
      const row = {};
      for (const [stage, [middle, high]] of Object.entries(second.stages)) {
        row[`${stage}-50`] = middle;
        row[`${stage}-99`] = high;
      }
      stages.add(row);
      texts.add(row);
      waits.add({ ...row, waiting: frame.waiting });
    }
  }
  showNow(frame);
  document.body.dataset.frames = Number(document.body.dataset.frames ?? 0) + 1;
  isDirty = true;
}

function draw(now) {
  if (!isPaused) {
    flow.draw(now);
    if (isDirty) {
      rates.draw();
      stages.draw();
      texts.draw();
      waits.draw();
      slots.draw();
      isDirty = false;
    }
  }
  requestAnimationFrame(draw);
}

let retryMs = 500;

function connect() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const socket = new WebSocket(`${scheme}://${location.host}/ws/live`);
  socket.addEventListener("open", () => {
    retryMs = 500;
    for (const place of ["#jobs", "#refusals"]) find(place).replaceChildren();
    showFreshness("live");
  });
  socket.addEventListener("message", (event) => {
    if (!isPaused) take(JSON.parse(event.data));
    else if (event.data.startsWith('{"type":"whole"')) take(JSON.parse(event.data));
  });
  socket.addEventListener("close", () => {
    showFreshness("not connected, trying again", true);
    setTimeout(connect, retryMs);
    retryMs = Math.min(8000, retryMs * 2);
  });
}

find("#pause").addEventListener("click", ({ currentTarget }) => {
  isPaused = !isPaused;
  currentTarget.setAttribute("aria-pressed", isPaused);
  currentTarget.textContent = isPaused ? "Go on" : "Pause";
  if (!isPaused) location.reload();
});
addEventListener("resize", () => { isDirty = true; });
connect();
requestAnimationFrame(draw);
