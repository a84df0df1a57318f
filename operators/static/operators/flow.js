// Jobs as dots: from speakers on the left, through the scheduler, to nodes on the right, and back. One that a node hears
// while it is spoken is a line for as long as it is under way.
import { color, fitCanvas } from "./chart.js";
import { t } from "./words.js";

const STOPS = { SELECTING: 0.34, RESERVED: 0.42, DISPATCHED: 0.62, ACKED: 0.84, RUNNING: 0.9, RETRYING: 0.34 };
const TONES = { RETRYING: "warn", DONE: "good", FAILED: "bad", CANCELLED: "soft" };
const MOST_DOTS = 600;
const FADE_MS = 900;
const STREAMING = "streaming";
const isStill = matchMedia("(prefers-reduced-motion: reduce)");

function lane(text, lanes) {
  let sum = 0;
  for (const letter of text) sum = (sum * 31 + letter.charCodeAt(0)) >>> 0;
  return (sum % lanes) / Math.max(1, lanes - 1);
}

export class Flow {
  constructor(canvas) {
    Object.assign(this, { canvas, height: canvas.height, dots: new Map() });
  }

  get streams() {
    return [...this.dots.values()].filter((dot) => dot.isStream && dot.isUnderWay).length;
  }

  step([state, jobId, sessionId, nodeId, reason], now) {
    let dot = this.dots.get(jobId);
    if (!dot) {
      if (this.dots.size >= MOST_DOTS) this.dots.delete(this.dots.keys().next().value);
      dot = { x: 0.06, from: lane(sessionId, 9), to: 0.5, moved: now };
      this.dots.set(jobId, dot);
    }
    if (nodeId) dot.to = lane(nodeId, 13);
    dot.target = STOPS[state] ?? (state === "DONE" ? 0.06 : dot.x);
    dot.tone = TONES[state] ?? "series-1";
    dot.moved = now;
    dot.isUnderWay = state in STOPS;
    dot.isStream ||= dot.isUnderWay && reason === STREAMING;
    dot.endsAt = dot.isUnderWay ? now + 60000 : now + FADE_MS;
  }

  draw(now) {
    const { pen, width, height } = fitCanvas(this.canvas, this.height);
    pen.font = "13px system-ui, sans-serif";
    pen.textBaseline = "top";
    pen.textAlign = "center";
    for (const [share, label] of [[0.06, t("speakers")], [0.38, t("scheduler")], [0.9, t("nodes")]]) {
      pen.fillStyle = color("line");
      pen.fillRect(width * share - 1, 22, 2, height - 30);
      pen.fillStyle = color("soft");
      const half = pen.measureText(label).width / 2;
      pen.fillText(label, Math.max(half, Math.min(width - half, width * share)), 2);
    }
    const [top, room] = [30, height - 46];
    for (const [jobId, dot] of this.dots) {
      if (now > dot.endsAt) {
        this.dots.delete(jobId);
        continue;
      }
      dot.x += (dot.target - dot.x) * (1 - 0.84 ** Math.min(6, (now - (this.drawnAt ?? now)) / 16));
      const between = Math.max(0, Math.min(1, (dot.x - 0.06) / 0.84));
      const y = top + room * (dot.from + (dot.to - dot.from) * between);
      pen.globalAlpha = Math.max(0.15, Math.min(1, (dot.endsAt - now) / FADE_MS));
      if (dot.isStream && dot.isUnderWay) this.drawLine(pen, [width * 0.06, top + room * dot.from], [width * dot.x, y], now);
      pen.fillStyle = color(dot.tone);
      pen.beginPath();
      pen.arc(width * dot.x, y, 4.5, 0, 7);
      pen.fill();
    }
    pen.globalAlpha = 1;
    this.drawnAt = now;
  }

  // Dashes that run from the speaker to the node, or stand where motion is not wanted.
  drawLine(pen, from, to, now) {
    pen.strokeStyle = color("series-4");
    pen.lineWidth = 2;
    pen.setLineDash([7, 5]);
    pen.lineDashOffset = isStill.matches ? 0 : -now / 25;
    pen.beginPath();
    pen.moveTo(...from);
    pen.lineTo(...to);
    pen.stroke();
    pen.setLineDash([]);
  }
}
