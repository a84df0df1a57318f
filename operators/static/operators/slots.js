// Every node as a cell whose filling is its load; a thousand of them fit on one screen.
import { color, fitCanvas } from "./chart.js";
import { find, formatNumber } from "./dom.js";
import { t } from "./words.js";

export class Slots {
  constructor(canvas) {
    this.canvas = canvas;
    this.nodes = new Map();
    this.cells = [];
    canvas.addEventListener("pointermove", (event) => this.point(event));
    canvas.addEventListener("pointerleave", () => { this.pointed = null; this.summarize(); });
  }

  replace(rows) {
    this.nodes = new Map(rows.map((row) => [row[0], row]));
  }

  change(rows, gone) {
    for (const row of rows) this.nodes.set(row[0], row);
    for (const nodeId of gone) this.nodes.delete(nodeId);
  }

  totals() {
    let [load, offered] = [0, 0];
    for (const [, used, most] of this.nodes.values()) {
      load += used;
      offered += most;
    }
    return { load, offered };
  }

  draw() {
    const count = this.nodes.size;
    const width = this.canvas.clientWidth;
    const size = count > 400 ? 18 : count > 60 ? 26 : 46;
    const columns = Math.max(1, Math.floor(width / size));
    const { pen } = fitCanvas(this.canvas, Math.max(1, Math.ceil(count / columns)) * size + 4);
    const [free, used, idle, bad] = [color("line"), color("series-1"), color("warn"), color("bad")];
    this.cells = [];
    let place = 0;
    for (const row of this.nodes.values()) {
      const [, load, most, status] = row;
      const [x, y] = [(place % columns) * size + 2, Math.floor(place / columns) * size + 2];
      const inner = size - 4;
      pen.fillStyle = free;
      pen.fillRect(x, y, inner, inner);
      const filled = inner * Math.min(1, load / Math.max(1, most));
      pen.fillStyle = load > most ? bad : used;
      pen.fillRect(x, y + inner - filled, inner, filled);
      if (status !== "ready") {
        pen.strokeStyle = status === "degraded" || status === "offline" ? bad : idle;
        pen.lineWidth = 2;
        pen.strokeRect(x + 1, y + 1, inner - 2, inner - 2);
      }
      this.cells.push([x, y, inner, row]);
      place += 1;
    }
    this.summarize();
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const cell = this.cells.find(([left, top, size]) => x >= left && x < left + size && y >= top && y < top + size);
    this.pointed = cell ? cell[3][0] : null;
    this.summarize();
  }

  summarize() {
    const row = this.pointed && this.nodes.get(this.pointed);
    const { load, offered } = this.totals();
    find("#slots-summary").textContent = row
      ? t("{node}: {used} of {all} slots in use, {status}", { node: row[0], used: row[1], all: row[2], status: row[3] })
      : this.nodes.size
        ? t("{nodes} nodes, {used} of {all} slots in use. Filling is load; a frame marks a node that takes no jobs.", { nodes: formatNumber(this.nodes.size), used: formatNumber(load), all: formatNumber(offered) })
        : t("No node is connected.");
  }
}
