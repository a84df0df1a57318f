// The overview: counters, languages, services and compute power from /api/v1/stats.
import { fillRows, id, make, number, poll, row, setTile } from "./dom.js";
import { t } from "./words.js";

poll("/api/v1/stats", ({ web_clients: speakers, nodes }) => {
  setTile("speakers", speakers.active_users);
  setTile("nodes", nodes.connected_nodes);
  setTile("services", Object.keys(nodes.service_node_counts).length);
  setTile("languages", Object.keys(speakers.language_usage).length);

  const most = Math.max(1, ...speakers.top_languages.map((entry) => entry.count));
  fillRows(
    "#top-languages",
    speakers.top_languages.map((entry) =>
      row(entry.language, number(entry.count), make("span", { class: "bar" }, make("i", { "width%": (100 * entry.count) / most }))),
    ),
    { empty: t("Nobody speaks right now.") },
  );
  fillRows(
    "#types",
    Object.entries(nodes.type_node_counts).map(([type, count]) =>
      row(type, number(count), number(nodes.type_in_use_counts[type] ?? 0)),
    ),
    { empty: t("No node offers a service.") },
  );
  fillRows(
    "#services",
    Object.entries(nodes.service_node_counts).map(([service, count]) => row(id(service), number(count))),
    { empty: t("No node offers a service.") },
  );
  const power = nodes.compute_power;
  setTile("cpu", power.total_cpu_power);
  setTile("gpu", power.total_gpu_power);
  setTile("memory", power.total_memory_power);
});
