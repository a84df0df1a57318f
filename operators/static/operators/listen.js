// A listener's page, on a phone mostly: captions in the reader's own language.
import { Captions } from "./captions.js";
import { find, make, showFreshness } from "./dom.js";
import { fillLanguages, guessLanguage, nameLanguage } from "./languages-known.js";
import { Listening, askTicket } from "./listening.js";
import { t } from "./words.js";

const captions = new Captions(find("#captions"));
const roomCode = document.body.dataset.room;
// The link's ticket stands behind its #, where browsers send it nowhere.
const ticket = location.hash.slice(1);
const listening = new Listening({
  roomCode,
  lang: guessLanguage(),
  findTicket: async () => ticket ? ["lingua.v1", `lingua.bearer.${ticket}`] : (await askTicket()).subprotocols,
});

function sayProblem(text) {
  find("#problem").textContent = text;
  find("#problem").classList.toggle("bad", Boolean(text));
}

const on = (name, take) => listening.addEventListener(name, ({ detail }) => take(detail));
on("language", () => captions.clear());
on("listening", ({ lang }) => {
  sayProblem("");
  showFreshness(t("listening in {language}", { language: nameLanguage(lang) }));
  document.body.dataset.listens = lang;
});
on("caption", (caption) => captions.show(caption));
on("caption_missing", (caption) => captions.miss(caption));
on("behind", ({ captions: count }) => captions.noteGap(count));
on("lost", () => showFreshness(t("connecting again…"), true));
on("error", ({ message }) => sayProblem(message));
on("over", ({ why }) => {
  showFreshness(t("not listening"), true);
  sayProblem(why);
});

fillLanguages(find("#lang"), make, listening.lang);
find("#lang").addEventListener("change", ({ target }) => {
  listening.setLanguage(target.value);
});
find("#smaller").addEventListener("click", () => captions.resize(-1));
find("#larger").addEventListener("click", () => captions.resize(1));
