// The rooms of /live from /api/v1/rooms, and the one thing an operator can do with a room.
import { ago, fillRows, find, formatNumber, id, make, number, row } from "./dom.js";
import { t } from "./words.js";

const EVERY_MS = 2000;
const MOST_ROWS = 50;
const mayOperate = find("#rooms-card").dataset.mayOperate === "yes";
// On a phone a room's cells stand below each other, each with its name.
const labels = [...find("#rooms").tHead.rows[0].cells].map((cell) => cell.textContent);
let timer = 0;

async function end(code) {
  if (!confirm(t("End room {code} for everybody in it?", { code }))) return;
  const answer = await fetch(`/api/v1/rooms/${encodeURIComponent(code)}/end`, {
    method: "POST",
    headers: { "X-CSRFToken": find("meta[name=csrf]").content, Accept: "application/json" },
  });
  const told = await answer.json();
  find("#rooms-done").textContent = answer.ok ? t("Room {code} is over.", { code }) : told.message ?? told.detail;
  document.activeElement?.blur();
  await refresh();
}

function endButton(code) {
  const button = make("button", { type: "button", disabled: !mayOperate, "data-act": "end", "aria-label": t("End room {code}", { code }) }, t("End"));
  button.addEventListener("click", () => end(code));
  return make("td", { class: "acts" }, button);
}

function take({ count, results }) {
  // Who is about to press a button finds it where it was; so does who pauses the page.
  if (find("#rooms").contains(document.activeElement) || find("#pause").getAttribute("aria-pressed") === "true") return;
  const shown = results.slice(0, MOST_ROWS);
  fillRows("#rooms", shown.map((room) => {
    const code = room.room_code;
    const line = row(id(code), number(room.members.length), number(room.listeners), room.languages.join(", "), ago(room.active_at_ms), endButton(code));
    line.dataset.room = code;
    labels.forEach((label, place) => line.cells[place].setAttribute("data-label", label));
    return line;
  }), { empty: t("No room is open.") });
  if (count > shown.length) find("#rooms tbody").append(make("tr", {}, make("td", { colspan: 6, class: "empty" }, t("{n} more rooms", { n: formatNumber(count - shown.length) }))));
}

async function refresh() {
  clearTimeout(timer);
  try {
    const answer = await fetch(`/api/v1/rooms?limit=${MOST_ROWS}`, { headers: { Accept: "application/json" } });
    if (answer.ok) take(await answer.json());
  } catch {
    // The head of the page tells that the server is not reached.
  }
  clearTimeout(timer);
  timer = setTimeout(refresh, EVERY_MS);
}

refresh();
