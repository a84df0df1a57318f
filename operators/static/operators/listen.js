// A listener's page, on a phone mostly: captions in the reader's own language.
import { Captions } from "./captions.js";
import { find, make, showFreshness } from "./dom.js";
import { fillLanguages, guessLanguage, nameLanguage } from "./languages-known.js";
import { connect, explainEnd } from "./server.js";
import { t } from "./words.js";

const captions = new Captions(find("#captions"));
// The link's ticket stands behind its #, where browsers send it nowhere.
const listener = connect(location.hash.slice(1)).listen({ room: document.body.dataset.room, lang: guessLanguage(), firstTries: Infinity });

function sayProblem(text) {
  find("#problem").textContent = text;
  find("#problem").classList.toggle("bad", Boolean(text));
}

listener.on("language", () => captions.clear());
listener.on("listening", ({ lang }) => {
  sayProblem("");
  showFreshness(t("listening in {language}", { language: nameLanguage(lang) }));
  document.body.dataset.listens = lang;
});
listener.on("caption", (caption) => captions.show(caption));
listener.on("caption_missing", (caption) => captions.miss(caption));
listener.on("behind", ({ captions: count }) => captions.noteGap(count));
listener.on("reconnecting", () => showFreshness(t("connecting again…"), true));
listener.on("error", ({ message }) => sayProblem(message));
listener.on("closed", ({ error }) => {
  showFreshness(t("not listening"), true);
  if (error) sayProblem(explainEnd(error));
});

fillLanguages(find("#lang"), make, listener.lang);
find("#lang").addEventListener("change", ({ target }) => {
  listener.setLanguage(target.value);
});
find("#smaller").addEventListener("click", () => captions.resize(-1));
find("#larger").addEventListener("click", () => captions.resize(1));
