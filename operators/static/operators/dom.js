// Build page parts from values. Text is always set as text: names come from strangers.
import { t } from "./words.js";

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") element.className = value;
    else if (name === "width%") element.style.width = `${Math.max(0, Math.min(100, value))}%`;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined).map(asNode));
  return element;
}

function asNode(child) {
  return child instanceof Node ? child : document.createTextNode(String(child));
}

export const find = (selector) => document.querySelector(selector);

export function fillRows(selector, rows, { empty = t("Nothing yet.") } = {}) {
  const body = find(`${selector} tbody`);
  const columns = find(`${selector} thead tr`).children.length;
  body.replaceChildren(
    ...(rows.length ? rows : [make("tr", {}, make("td", { colspan: columns, class: "empty" }, empty))]),
  );
}

export function row(...cells) {
  return make("tr", {}, ...cells.map((cell) => (cell instanceof HTMLTableCellElement ? cell : make("td", {}, cell))));
}

export const id = (text) => make("td", { class: "id" }, text);
export const number = (value, digits = 0) => make("td", { class: "number" }, formatNumber(value, digits));

export function formatNumber(value, digits = 0) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  return value.toLocaleString("en", { maximumFractionDigits: digits, minimumFractionDigits: 0 });
}

export function percentBar(value) {
  if (value === null || value === undefined) return "–";
  return make("span", {}, `${formatNumber(value, 0)} %`, make("span", { class: "bar" }, make("i", { "width%": value })));
}

const STATUSES = { ready: t("Ready"), degraded: t("Degraded"), offline: t("Offline"), draining: t("Draining"), cordoned: t("Cordoned"), registering: t("Registering") };
const TONES = { ready: "good", degraded: "bad", offline: "bad", draining: "warn", cordoned: "warn", registering: "warn" };

export function statusBadge(status) {
  return make("span", { class: `badge ${TONES[status.toLowerCase()] ?? ""}` }, STATUSES[status.toLowerCase()] ?? status);
}

export function setTile(name, value) {
  const tile = find(`[data-tile="${name}"]`);
  if (tile) tile.textContent = typeof value === "number" ? formatNumber(value, 1) : value;
}

// A bar of the browser's own clock: when the figures were last fetched, or that they are old.
export function showFreshness(text, isBad = false) {
  const place = find("#freshness");
  place.textContent = text;
  place.classList.toggle("bad", isBad);
}

export function clockTime(ms) {
  return new Date(ms).toLocaleTimeString("en-GB");
}

export function ago(ms) {
  const seconds = Math.max(0, Math.round((Date.now() - ms) / 1000));
  if (seconds < 120) return t("{n} s ago", { n: seconds });
  if (seconds < 7200) return t("{n} min ago", { n: Math.round(seconds / 60) });
  return t("{n} h ago", { n: Math.round(seconds / 3600) });
}

export function poll(url, show, { everyMs = 5000 } = {}) {
  async function once() {
    try {
      const answer = await fetch(url, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
      show(await answer.json());
      showFreshness(t("updated {time}", { time: clockTime(Date.now()) }));
      document.body.dataset.loaded = "yes";
    } catch (error) {
      showFreshness(t("not updated: {why}", { why: error.message }), true);
    }
    setTimeout(once, everyMs);
  }
  once();
}
