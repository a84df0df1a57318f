// Language pairs against ready nodes and free slots, from /api/v1/coverage.
import { find, poll, setTile } from "./dom.js";
import { drawPairs } from "./pairs.js";

poll("/api/v1/coverage", ({ pairs }) => {
  const bad = drawPairs(find("#grid"), pairs.map((pair) => [pair.src, pair.tgt, pair.ready_nodes, pair.free_slots, pair.known_nodes, pair.held_back_nodes]));
  setTile("pairs", pairs.length);
  setTile("none", bad.none);
  setTile("one", bad.one);
  setTile("held-back", bad.heldBack);
}, { everyMs: 2000 });
