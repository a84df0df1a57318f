// Line charts on a canvas: a fixed number of seconds, drawn anew when told.
import { formatNumber, make } from "./dom.js";
import { t } from "./words.js";

export const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

export function fitCanvas(canvas, height = canvas.height / (canvas.scaled ?? 1)) {
  const scale = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.style.height = `${height}px`;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  canvas.scaled = scale;
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  return { pen, width, height };
}

function roundUp(value) {
  if (value <= 0) return 1;
  const unit = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * unit).find((limit) => limit >= value);
}

export class LineChart {
  // `series` are {key, label, color, dashed?, pair?}; `unit` stands behind figures,
  // but for series whose keys are `plain`.
  constructor(canvas, legend, series, { unit = "", plain = [], points = 60 } = {}) {
    Object.assign(this, { canvas, series, unit, plain, points, rows: [], height: canvas.height });
    this.figures = new Map();
    legend.replaceChildren(
      ...series.filter((one) => !one.dashed).map((one) => {
        const swatch = make("i");
        swatch.style.background = `var(--${one.color})`;
        const figure = make("b", {}, "–");
        this.figures.set(one.key, figure);
        return make("li", {}, swatch, `${one.label} `, figure);
      }),
    );
  }

  add(row) {
    this.rows.push(row);
    if (this.rows.length > this.points) this.rows.shift();
    for (const [key, figure] of this.figures) {
      const pair = this.series.find((one) => one.key === key).pair;
      const text = formatNumber(row[key], 1);
      figure.textContent = pair ? `${text} / ${formatNumber(row[pair], 1)}${this.unit}` : `${text}${this.plain.includes(key) ? "" : this.unit}`;
    }
  }

  draw() {
    const { pen, width, height } = fitCanvas(this.canvas, this.height);
    const values = this.rows.flatMap((row) => this.series.map((one) => row[one.key] ?? 0));
    const top = roundUp(Math.max(0, ...values));
    const [left, bottom] = [48, height - 20];
    const y = (value) => bottom - (value / top) * (bottom - 10);
    pen.font = "12px system-ui, sans-serif";
    pen.textBaseline = "middle";
    for (const share of [0, 0.5, 1]) {
      pen.strokeStyle = color("line");
      pen.lineWidth = 1;
      pen.beginPath();
      pen.moveTo(left, y(top * share) + 0.5);
      pen.lineTo(width, y(top * share) + 0.5);
      pen.stroke();
      pen.fillStyle = color("soft");
      pen.textAlign = "right";
      pen.fillText(formatNumber(top * share, 2), left - 8, y(top * share));
    }
    pen.textAlign = "left";
    pen.fillText(t("{n} s ago", { n: this.points }), left, height - 7);
    pen.textAlign = "right";
    pen.fillText(t("now"), width, height - 7);
    const step = (width - left) / (this.points - 1);
    for (const one of this.series) {
      pen.strokeStyle = color(one.color);
      pen.lineWidth = one.dashed ? 1.2 : 2;
      pen.setLineDash(one.dashed ? [3, 3] : []);
      pen.beginPath();
      let isDrawing = false;
      this.rows.forEach((row, place) => {
        const value = row[one.key];
        if (value === undefined || value === null) {
          isDrawing = false;
          return;
        }
        const x = width - (this.rows.length - 1 - place) * step;
        if (isDrawing) pen.lineTo(x, y(value));
        else pen.moveTo(x, y(value));
        isDrawing = true;
      });
      pen.stroke();
    }
    pen.setLineDash([]);
  }
}
