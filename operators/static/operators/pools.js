// Pools in force, from /api/v1/phase3/pools.
import { fillRows, id, make, number, poll, row, setTile } from "./dom.js";
import { t } from "./words.js";

const KINDS = { pair: t("pair"), set: t("set"), mixed: t("mixed"), capability: t("capability"), tenant: t("tenant"), bucket: t("bucket") };
const MODES = { two_level: t("two level"), single: t("single") };
const counts = (named) => Object.entries(named).map(([kind, count]) => `${kind} ${count}`).join(", ");

poll("/api/v1/phase3/pools", ({ config, version, pools }) => {
  setTile("pools", pools.length);
  setTile("version", version);
  setTile("mode", config.enabled ? (MODES[config.mode] ?? config.mode) : t("off"));
  fillRows("#pools", pools.map((pool) => {
    const line = row(
      id(pool.pool_id), make("span", { class: "badge" }, KINDS[pool.kind] ?? pool.kind), pool.pool_name,
      pool.pool_required_services.join(", ") || t("any"), number(pool.total_nodes), number(pool.ready_nodes),
      counts(pool.core_services_installed), counts(pool.core_services_ready), pool.sample_node_ids.join(", ") || "–");
    line.dataset.pool = pool.pool_id;
    line.dataset.nodes = pool.total_nodes;
    line.dataset.ready = pool.ready_nodes;
    return line;
  }), { empty: t("No pool is in force: every node is looked at.") });
}, { everyMs: 2000 });
