// The live page: one WebSocket brings what changed, at most ten times a second.
import { LineChart } from "./chart.js";
import { clockTime, find, formatNumber, make, setTile, showFreshness } from "./dom.js";
import { Flow } from "./flow.js";
import { Slots } from "./slots.js";

const MOST_LINES = 40;
const STAGES = [["wait", "waiting", "series-5"], ["place", "placing", "series-2"], ["accept", "accepting", "series-3"], ["work", "working", "series-4"], ["total", "in all", "series-1"]];

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
find("#flow-legend").replaceChildren(
  ...[["series-1", "on its way"], ["good", "done"], ["warn", "tried again"], ["bad", "refused or failed"]].map(([shade, label]) => {
    const swatch = make("i");
    swatch.style.background = `var(--${shade})`;
    return make("li", {}, swatch, label);
  }),
);

let isPaused = false;
let isDirty = true;

function addLine(place, step) {
  const [state, jobId, sessionId, nodeId, reason, attempt, , ageMs, atMs] = step;
  const tone = { DONE: "good", FAILED: "bad", RETRYING: "warn" }[state] ?? "";
  const name = attempt === 0 ? make("code", {}, sessionId) : make("a", { href: `/api/v1/jobs/${encodeURIComponent(jobId)}` }, make("code", {}, jobId));
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

function showNow(frame) {
  const { load, offered } = slots.totals();
  setTile("sessions", frame.sessions);
  setTile("waiting", frame.waiting);
  setTile("nodes", slots.nodes.size);
  setTile("slots", `${formatNumber(load)} / ${formatNumber(offered)}`);
}

function take(frame) {
  if (frame.type === "whole") {
    slots.replace(frame.nodes);
    for (const step of frame.ended) addLine(step[0] === "DONE" ? "#jobs" : "#refusals", step);
  } else {
    slots.change(frame.nodes, frame.gone);
    showSteps(frame.steps);
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
