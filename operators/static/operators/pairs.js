// The grid of language pairs: a row per source, a column per target; bad pairs stand out.
import { make } from "./dom.js";
import { t } from "./words.js";

const MOST_LANGUAGES = 30;
const tone = (ready) => (ready === 0 ? "bad" : ready === 1 ? "warn" : "good");
const areAllHeldBack = (ready, heldBack) => ready > 0 && heldBack === ready;

// Each pair is [source, target, ready nodes, free slots, known nodes, held back of the ready]; they come worst first.
export function drawPairs(table, pairs) {
  const known = new Map(pairs.map(([src, tgt, ...figures]) => [`${src} ${tgt}`, figures]));
  const pick = (place) => [...new Set(pairs.map((pair) => pair[place]))].slice(0, MOST_LANGUAGES).sort();
  const [sources, targets] = [pick(0), pick(1)];
  const head = (text) => make("th", { scope: "col" }, text);
  table.tHead.replaceChildren(make("tr", {}, head(t("From \\ into")), ...targets.map(head)));
  table.tBodies[0].replaceChildren(...sources.map((src) =>
    make("tr", {}, make("th", { scope: "row" }, src), ...targets.map((tgt) => {
      const pair = known.get(`${src} ${tgt}`);
      if (!pair) return make("td", { class: "none" }, "–");
      const [ready, free, able, heldBack] = pair;
      const words = able === 0 ? t("no node can") : ready === 0 ? t("no node now") : ready === 1 ? t("1 node, {free} free", { free }) : t("{ready} nodes, {free} free", { ready, free });
      const isHeldBack = areAllHeldBack(ready, heldBack);
      return make("td", { class: ready === 0 ? "unserved" : false, "data-pair": `${src}-${tgt}`, "data-ready": ready, "data-held-back": heldBack },
        make("span", { class: `badge ${isHeldBack ? "bad" : tone(ready)}` }, words),
        isHeldBack ? make("small", {}, t("none in good standing")) : null);
    }))));
  return { none: pairs.filter((pair) => pair[2] === 0).length, one: pairs.filter((pair) => pair[2] === 1).length, heldBack: pairs.filter((pair) => areAllHeldBack(pair[2], pair[5])).length };
}
