// What machines have left to give, from /api/v1/stats.
import { fillRows, find, formatNumber, id, make, poll, row, setTile } from "./dom.js";
import { t } from "./words.js";

const MOST_ROWS = 200;

function bar(value, most, unit) {
  return make("span", {}, `${formatNumber(value, 2)} ${unit}`,
    make("span", { class: "bar" }, make("i", { "width%": (100 * value) / Math.max(most, 0.01) })));
}

poll("/api/v1/stats", ({ nodes: { compute_power: power } }) => {
  setTile("cpu", power.total_cpu_power);
  setTile("gpu", power.total_gpu_power);
  setTile("memory", power.total_memory_power);
  const details = power.node_power_details;
  const most = (kind) => Math.max(0, ...details.map((node) => node[kind]));
  const [cpu, gpu, memory] = ["cpu_power", "gpu_power", "memory_power"].map(most);
  const strongest = [...details].sort((one, other) => other.gpu_power - one.gpu_power || other.cpu_power - one.cpu_power);
  find("#power-count").textContent =
    details.length > MOST_ROWS ? t("the {most} strongest of {n} nodes", { most: MOST_ROWS, n: details.length }) : t("{n} nodes", { n: details.length });
  fillRows(
    "#power",
    strongest.slice(0, MOST_ROWS).map((node) =>
      row(id(node.node_name), bar(node.cpu_power, cpu, t("cores")), bar(node.gpu_power, gpu, "GB"), bar(node.memory_power, memory, "GB")),
    ),
    { empty: t("No node is connected.") },
  );
});
