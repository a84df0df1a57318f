// How many nodes are needed, and which may be stopped, from /api/v1/scaling.
import { fillRows, find, id, make, number, poll, row, setTile } from "./dom.js";
import { t } from "./words.js";

const REASONS = {
  spare: t("the others do all there is to do"),
  held_back: t("on probation or in quarantine: nothing relies on it"),
};

const short = (pool) => pool.ready_nodes < pool.target_nodes
  ? make("td", { class: "number" }, make("span", { class: "badge bad" }, t("{n}: too few", { n: pool.ready_nodes })))
  : number(pool.ready_nodes);

poll("/api/v1/scaling", (scaling) => {
  setTile("target", scaling.target_nodes);
  setTile("ready", scaling.ready_nodes);
  setTile("stoppable", scaling.stoppable.length);
  setTile("goal", `${scaling.wait_goal_ms} ms`);
  find("#settling").textContent = scaling.is_settled ? "" : t("This instance has not watched for long enough: no pool is said to need fewer nodes than it has, and none is to be stopped.");
  fillRows("#targets", scaling.pools.map((pool) => {
    const line = row(
      pool.pool_name, number(pool.target_nodes), short(pool), number(pool.arrivals_per_s, 2),
      number(pool.held_s, 1), number(pool.target_slots), number(pool.ready_slots), number(pool.floor_nodes));
    line.dataset.pool = pool.pool_id;
    return line;
  }), { empty: t("Nobody asked for anything of late.") });
  fillRows("#stoppable", scaling.stoppable.map((node) => {
    const line = row(id(node.node_id), number(node.slots), REASONS[node.reason] ?? node.reason, node.pools.join(", ") || "–");
    line.dataset.node = node.node_id;
    return line;
  }), { empty: t("Every ready node is needed, or busy.") });
}, { everyMs: 2000 });
