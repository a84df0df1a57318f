// Dead letters from /api/v1/dlq, and what an operator can do with each.
import { clockTime, fillRows, find, make, poll, row } from "./dom.js";
import { t } from "./words.js";

const ACTS = { replay: t("Replay"), purge: t("Purge") };
const mayOperate = find("#dead-letters").dataset.mayOperate === "yes";
const address = (letter) => `/api/v1/dlq/${letter.letter_id.split("/").map(encodeURIComponent).join("/")}`;

async function act(letter, action) {
  if (action === "purge" && !confirm(t("Remove this dead letter for good?"))) return;
  const answer = await fetch(`${address(letter)}/${action}`, {
    method: "POST",
    headers: { "X-CSRFToken": find("meta[name=csrf]").content, Accept: "application/json" },
  });
  const told = await answer.json();
  find("#done").textContent = answer.ok ? `${letter.letter_id}: ${told.outcome ?? t("removed")}` : told.message ?? told.detail;
  document.activeElement?.blur();
  take(await (await fetch("/api/v1/dlq", { headers: { Accept: "application/json" } })).json());
}

function take({ results }) {
  if (find("#kept").contains(document.activeElement)) return;
  fillRows("#kept", results.map((letter) => {
    const about = Object.entries(letter.fields).map(([name, value]) => `${name} ${value}`).join(", ");
    const buttons = Object.entries(ACTS).map(([action, label]) => {
      const button = make("button", { type: "button", disabled: !mayOperate, "data-act": action, "aria-label": `${label} ${letter.letter_id}` }, label);
      button.addEventListener("click", () => act(letter, action));
      return button;
    });
    const line = row(clockTime(letter.moved_at_ms), letter.reason, letter.event_type || "–", about || letter.target,
      make("td", { class: "number" }, letter.deliveries), make("td", { class: "acts" }, ...buttons));
    line.dataset.letter = letter.letter_id;
    return line;
  }), { empty: t("No dead letters.") });
}

poll("/api/v1/dlq", take, { everyMs: 3000 });
