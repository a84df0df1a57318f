// The live page: one WebSocket brings what changed, at most five times a second.
import { LineChart } from "./chart.js";
import { clockTime, find, formatNumber, make, setTile, showFreshness } from "./dom.js";
import { Flow } from "./flow.js";
import { drawPairs } from "./pairs.js";
import { countSeconds, readPast } from "./past.js";
import { Slots } from "./slots.js";
import { t } from "./words.js";

const STATES = { DONE: t("done"), FAILED: t("failed"), RETRYING: t("retried"), CANCELLED: t("cancelled") };
const MOST_LINES = 40;
const REASONS_SHOWN = 6;
const REASONS_FOR_MS = 10 * 60 * 1000;
const STAGES = [["place", t("placing"), "series-2"], ["accept", t("accepting"), "series-3"], ["work", t("working"), "series-4"], ["total", t("in all"), "series-1"]];
const TEXTS = [["text_stream", t("heard while it was said"), "series-4"], ["text_parcel", t("heard whole"), "series-1"]];

const flow = new Flow(find("#flow"));
const slots = new Slots(find("#slots"));
const rates = new LineChart(find("#rates"), find("#rates-legend"), [
  { key: "done", label: t("done"), color: "series-2" },
  { key: "failed", label: t("refused or failed"), color: "series-5" },
  { key: "retried", label: t("retried"), color: "series-3" },
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
  { key: "waiting", label: t("jobs in line"), color: "series-1" },
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
  ...[["series-1", t("on its way")], ["good", t("done")], ["warn", t("tried again")], ["bad", t("refused or failed")]].map(([shade, label]) => {
    const swatch = make("i");
    swatch.style.background = `var(--${shade})`;
    return make("li", {}, swatch, label);
  }),
  make("li", {}, make("i", { class: "dashes" }), `${t("a line: heard while it is spoken")} `, streams),
);

let past = [];
let isRecalled = false;
let isPaused = false;
let isDirty = true;

function addLine(place, step) {
  const [state, jobId, sessionId, nodeId, reason, attempt, , ageMs, atMs] = step;
  const tone = { DONE: "good", FAILED: "bad", RETRYING: "warn" }[state] ?? "";
  const name = attempt === 0 ? make("code", {}, sessionId) : make("a", { href: `/why?job_id=${encodeURIComponent(jobId)}` }, make("code", {}, jobId));
  const where = [nodeId, attempt > 1 ? t("attempt {n}", { n: attempt }) : "", reason].filter(Boolean).join(" · ");
  const list = find(place);
  list.prepend(
    make("li", {}, make("time", {}, clockTime(atMs)), make("span", { class: `badge ${tone}` }, STATES[state] ?? state.toLowerCase()),
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
    ? t("Pairs: {all}; {none} without a ready node, {one} with one alone, {held} by nodes in no good standing alone.", { all: formatNumber(pairs.length), none: formatNumber(bad.none), one: formatNumber(bad.one), held: formatNumber(bad.heldBack) })
    : t("No node offers a pair of languages.");
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

// What ended before the page was there, each once, in order.
function showEnded(steps) {
  const known = new Map(steps.map((step) => [`${step[1]} ${step[8]}`, step]));
  for (const step of [...known.values()].sort((one, other) => one[8] - other[8])) addLine(step[0] === "DONE" ? "#jobs" : "#refusals", step);
}

async function recall() {
  past = await readPast(REASONS_FOR_MS / 60_000);
  if (isRecalled) return;
  isRecalled = true;
  reasons = past.filter((step) => step[4] && step[0] !== "DONE").map((step) => [step[8], { [step[4]]: 1 }]);
  showReasons();
  for (const second of countSeconds(past, Date.now())) {
    rates.add(second);
    stages.add(second);
    texts.add({});
    waits.add({});
  }
  document.body.dataset.recalled = past.length;
  isDirty = true;
}

function take(frame) {
  if (frame.type === "whole") {
    slots.replace(frame.nodes);
    showCoverage(frame.coverage);
    showEnded([...past, ...frame.ended]);
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

async function connect() {
  await recall();
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const socket = new WebSocket(`${scheme}://${location.host}/ws/live`);
  socket.addEventListener("open", () => {
    retryMs = 500;
    for (const place of ["#jobs", "#refusals"]) find(place).replaceChildren();
    showFreshness(t("live"));
  });
  socket.addEventListener("message", (event) => {
    if (!isPaused) take(JSON.parse(event.data));
    else if (event.data.startsWith('{"type":"whole"')) take(JSON.parse(event.data));
  });
  socket.addEventListener("close", () => {
    showFreshness(t("not connected, trying again"), true);
    setTimeout(connect, retryMs);
    retryMs = Math.min(8000, retryMs * 2);
  });
}

find("#pause").addEventListener("click", ({ currentTarget }) => {
  isPaused = !isPaused;
  currentTarget.setAttribute("aria-pressed", isPaused);
  currentTarget.textContent = isPaused ? t("Go on") : t("Pause");
  if (!isPaused) location.reload();
});
addEventListener("resize", () => { isDirty = true; });
connect();
requestAnimationFrame(draw);
