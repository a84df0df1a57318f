// Instances and nodes from /api/v1/cluster.
import { ago, clockTime, fillRows, formatNumber, find, id, make, number, percentBar, poll, row, setTile, statusBadge } from "./dom.js";
import { t } from "./words.js";

const MOST_ROWS = 200;
let latest = null;

function showNodes() {
  const wanted = find("#node-filter").value.trim().toLowerCase();
  const fits = (node) => !wanted || `${node.node_id} ${node.status} ${node.platform}`.toLowerCase().includes(wanted);
  const nodes = latest.nodes.filter(fits);
  find("#node-count").textContent =
    nodes.length > MOST_ROWS ? t("first {most} of {n} nodes", { most: MOST_ROWS, n: nodes.length }) : t("{n} nodes", { n: nodes.length });
  fillRows(
    "#nodes",
    nodes.slice(0, MOST_ROWS).map((node) =>
      row(
        id(node.node_id),
        statusBadge(node.status),
        make("span", {}, `${node.current_jobs} / ${node.max_concurrent_jobs}`,
          make("span", { class: "bar" }, make("i", { "width%": (100 * node.current_jobs) / Math.max(1, node.max_concurrent_jobs) }))),
        percentBar(node.cpu_usage),
        percentBar(node.gpu_usage),
        percentBar(node.memory_usage),
        ago(node.last_heartbeat),
        node.platform,
        node.capabilities.filter((entry) => entry.ready).map((entry) => entry.service_type).join(", ") || "–",
        node.services.map((entry) => entry.service_id).join(", ") || "–",
      ),
    ),
    { empty: t("No node is connected.") },
  );
}

poll("/api/v1/cluster", (cluster) => {
  latest = cluster;
  setTile("instances", `${cluster.online_instances} / ${cluster.total_instances}`);
  setTile("nodes", `${cluster.ready_nodes} / ${cluster.total_nodes}`);
  setTile("sessions", cluster.total_sessions);
  setTile("pending", cluster.total_pending);
  setTile("dlq", cluster.total_dlq);
  find('[data-tile="dlq"]').parentElement.classList.toggle("alarm", cluster.total_dlq > 0);
  fillRows(
    "#instances",
    cluster.instances.map((instance) =>
      row(
        id(instance.instance_id),
        make("span", { class: `badge ${instance.is_online ? "good" : "bad"}` }, instance.is_online ? t("online") : t("gone")),
        instance.hostname,
        make("td", { class: "number" }, instance.pid),
        instance.version,
        clockTime(instance.started_at_ms),
        t("{n} min", { n: formatNumber(instance.uptime_seconds / 60, 1) }),
        number(instance.nodes_owned),
        number(instance.sessions_owned),
        number(instance.inbox_length),
        number(instance.dlq_length),
      ),
    ),
  );
  showNodes();
});
find("#node-filter").addEventListener("input", () => latest && showNodes());
