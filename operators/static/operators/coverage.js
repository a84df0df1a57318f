// Language pairs against ready nodes and free slots, from /api/v1/coverage.
import { find, make, poll, setTile } from "./dom.js";

const tone = (pair) => (pair.ready_nodes === 0 ? "bad" : pair.ready_nodes === 1 ? "warn" : "good");
const words = (pair) => `${pair.ready_nodes} node${pair.ready_nodes === 1 ? "" : "s"}, ${pair.free_slots} free`;

poll("/api/v1/coverage", ({ pairs }) => {
  const sources = [...new Set(pairs.map((pair) => pair.src))].sort();
  const targets = [...new Set(pairs.map((pair) => pair.tgt))].sort();
  const known = new Map(pairs.map((pair) => [`${pair.src} ${pair.tgt}`, pair]));
  setTile("pairs", pairs.length);
  setTile("none", pairs.filter((pair) => pair.ready_nodes === 0).length);
  setTile("one", pairs.filter((pair) => pair.ready_nodes === 1).length);
  const head = (text) => make("th", { scope: "col" }, text);
  find("#grid thead").replaceChildren(make("tr", {}, head("From \\ into"), ...targets.map(head)));
  find("#grid tbody").replaceChildren(...sources.map((src) =>
    make("tr", {}, make("th", { scope: "row" }, src), ...targets.map((tgt) => {
      const pair = known.get(`${src} ${tgt}`);
      if (!pair) return make("td", {}, "–");
      return make("td", { "data-pair": `${src}-${tgt}` }, make("span", { class: `badge ${tone(pair)}` }, words(pair)));
    }))));
}, { everyMs: 2000 });
