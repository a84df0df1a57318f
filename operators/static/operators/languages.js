// Which languages are spoken and heard, from /api/v1/stats.
import { fillRows, make, number, poll, row, setTile } from "./dom.js";
import { t } from "./words.js";

poll("/api/v1/stats", ({ web_clients: speakers }) => {
  const usage = Object.entries(speakers.language_usage).sort((one, other) => other[1].total - one[1].total);
  const most = Math.max(1, ...usage.map(([, use]) => use.total));
  setTile("speakers", speakers.active_users);
  setTile("languages", usage.length);
  fillRows(
    "#usage",
    usage.map(([language, use]) =>
      row(language, number(use.as_source), number(use.as_target), number(use.total),
        make("span", { class: "bar" }, make("i", { "width%": (100 * use.total) / most }))),
    ),
    { empty: t("Nobody speaks right now.") },
  );
});
