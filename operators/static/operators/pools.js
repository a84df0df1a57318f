// Pools in force, from /api/v1/phase3/pools.
import { fillRows, id, make, number, poll, row, setTile } from "./dom.js";
import { t } from "./words.js";

const counts = (named) => Object.entries(named).map(([kind, count]) => `${kind} ${count}`).join(", ");

poll("/api/v1/phase3/pools", ({ config, version, pools }) => {
  setTile("pools", pools.length);
  setTile("version", version);
  setTile("mode", config.enabled ? config.mode.replace("_", " ") : t("off"));
  fillRows("#pools", pools.map((pool) => {
    const line = row(
      id(pool.pool_id), make("span", { class: "badge" }, pool.kind), pool.pool_name,
      pool.pool_required_services.join(", ") || t("any"), number(pool.total_nodes), number(pool.ready_nodes),
      counts(pool.core_services_installed), counts(pool.core_services_ready), pool.sample_node_ids.join(", ") || "–");
    line.dataset.pool = pool.pool_id;
    line.dataset.nodes = pool.total_nodes;
    line.dataset.ready = pool.ready_nodes;
    return line;
  }), { empty: t("No pool is in force: every node is looked at.") });
}, { everyMs: 2000 });
