// A room: everybody speaks and reads their own language. Speech goes by a session, captions come as to any listener.
import { Player, readSpeech } from "../lingua-client/index.js";
import { Captions, writeSrt, writeText, writeVtt } from "./captions.js";
import { color, fitCanvas } from "./chart.js";
import { find, make, showFreshness } from "./dom.js";
import { fillLanguages, guessLanguage, nameLanguage } from "./languages-known.js";
import { findLoudest } from "./loudness.js";
import { connect, explainEnd } from "./server.js";
import { SpeakButton } from "./speak-button.js";
import { t } from "./words.js";

const REFUSALS = {
  ROOM_NOT_FOUND: t("There is no such room. Ask for the code again."),
  ROOM_FULL: t("As many are in this room as may speak. Ask for its link to listen."),
  RATE_LIMITED: t("That was too often. Wait a minute, then try again."),
};

const lingua = connect();
const player = new Player();
const captions = new Captions(find("#captions"));
const speaking = new SpeakButton({ button: find("#speak"), player, onSamples: take, onChange: showSpeaking });
let session = null;
let listener = null;
let room = null;

function sayProblem(text) {
  find("#problem").textContent = text;
  find("#problem").classList.toggle("bad", Boolean(text));
}
const sayState = (text) => { find("#state").textContent = text; };
const isAloud = () => find("#aloud").checked;

// A session says into which language; where that is one's own, the room says it for each utterance.
function chooseTarget(src, lang) {
  if (lang !== src) return lang;
  return src === "en" ? "es" : "en";
}

function open() {
  const src = find("#src").value;
  const mine = lingua.session({ from: src, to: chooseTarget(src, find("#lang").value), client: "room-3" });
  const on = (name, take) => mine.on(name, (event) => session === mine && take(event));
  on("opened", () => {
    showFreshness(t("connected"));
    allowSpeaking();
  });
  on("reconnecting", () => {
    allowSpeaking();
    if (room) showFreshness(t("connecting again…"), true);
  });
  on("closed", ({ error }) => error && goOut(explainEnd(error)));
  on("translation_result", say);
  on("error", refuse);
  on("ui_event", ({ event, hint }) => event === "ERROR" && sayProblem(hint));
  on("missing_result", ({ reason }) => sayState(t("That was not translated ({reason}).", { reason: reason.replaceAll("_", " ") })));
  return mine;
}

// Words of others, in one's own language.
function say({ tts_audio: audio, tts_format: format }) {
  const samples = isAloud() ? readSpeech(audio, format) : null;
  if (samples?.length) player.play(samples, session);
}

function refuse(error) {
  sayProblem(REFUSALS[error.code] ?? explainEnd(error));
  if (room) return;
  const refused = session;
  session = null;
  refused?.close();
  for (const button of ["#create", "#join"]) find(button).disabled = false;
}

async function comeIn(code) {
  sayProblem("");
  for (const button of ["#create", "#join"]) find(button).disabled = true;
  fillLanguages(find("#lang"), make, find("#lang-first").value);
  const seat = { name: find("#name").value.trim() || undefined, lang: find("#lang").value };
  const mine = open();
  session = mine;
  try {
    goIn(await (code ? mine.joinRoom(code, seat) : mine.createRoom(seat)));
  } catch (error) {
    if (session === mine) refuse(error);
  }
}

function goIn(entered) {
  room = entered;
  room.on("members", showMembers);
  room.on("error", (error) => sayProblem(REFUSALS[error.code] ?? error.message));
  room.on("left", ({ error }) => room === entered && goOut(error ? explainEnd(error) : ""));
  find("#end").hidden = !room.isOwn;
  find("#export").hidden = !(room.isOwn && find("#keep").checked);
  find("#door").hidden = true;
  find("#inside").hidden = false;
  find("#room-code").textContent = room.code;
  history.replaceState(null, "", `?code=${room.code}`);
  document.title = `${t("Room {code}", { code: room.code })} · Lingua`;
  captions.clear();
  showMembers(room.members);
  listen();
  showLink();
  allowSpeaking();
  find("#speak").focus();
}

function listen() {
  const mine = lingua.listen({ room: room.code, lang: find("#lang").value, firstTries: Infinity });
  listener = mine;
  const on = (name, take) => mine.on(name, (event) => listener === mine && take(event));
  on("language", ({ lang }) => {
    captions.clear();
    document.body.dataset.listens = lang;
  });
  on("caption", (caption) => captions.show(caption));
  on("caption_missing", (caption) => captions.miss(caption));
  on("behind", ({ captions: count }) => captions.noteGap(count));
  on("error", ({ message }) => sayProblem(message));
  on("closed", ({ error }) => error && goOut(explainEnd(error)));
}

async function showLink() {
  const { code, id } = room;
  let ticket = null;
  try {
    ({ ticket } = await lingua.askTicket({ room_code: code, room_id: id }));
  } catch (error) {
    sayProblem(explainEnd(error));
    return;
  }
  const link = `${location.origin}/room/${code}${ticket ? `#${ticket}` : ""}`;
  find("#link").href = link;
  find("#link").textContent = `${location.host}/room/${code}`;
  find("#qr").src = `/room/${code}/link.svg${ticket ? `?ticket=${encodeURIComponent(ticket)}` : ""}`;
}

function showMembers(members) {
  find("#members").replaceChildren(...members.map(({ session_id: id, display_name: name, preferred_lang: lang }) => make(
    "li", { class: captions.findColor(id), dir: "auto" }, name || id,
    id === session.id ? make("span", { class: "badge good" }, t("you")) : null,
    lang ? make("span", { class: "badge" }, nameLanguage(lang)) : null,
  )));
}

function goOut(why) {
  speaking.close();
  room = null;
  listener?.close();
  const left = session;
  session = listener = null;
  left?.close();
  player.stop();
  find("#inside").hidden = true;
  find("#door").hidden = false;
  document.body.classList.remove("in-hall");
  history.replaceState(null, "", location.pathname);
  document.title = `${t("Room")} · Lingua`;
  for (const button of ["#create", "#join"]) find(button).disabled = false;
  sayProblem(why ?? "");
  showFreshness("");
}

function allowSpeaking() {
  find("#speak").disabled = !speaking.isOn && !session?.isOpen;
  find("#speak").setAttribute("aria-pressed", speaking.isOn);
  find("#speak").textContent = speaking.isOn ? t("Stop") : t("Speak");
  find("#mute").hidden = !speaking.isOn;
  find("#mute").setAttribute("aria-pressed", speaking.isMuted);
  find("#mute").textContent = speaking.isMuted ? t("Muted") : t("Mute");
}

function take(samples) {
  drawMeter(samples);
  if (session && session.state !== "closed") session.say(samples);
}

function drawMeter(samples) {
  const { pen, width, height } = fitCanvas(find("#meter"), 12);
  pen.fillStyle = color("line");
  pen.fillRect(0, height / 2 - 2, width, 4);
  pen.fillStyle = color("series-1");
  pen.fillRect(0, height / 2 - 2, width * Math.min(1, Math.sqrt(findLoudest(samples))), 4);
}

function showSpeaking(problem) {
  if (speaking.isOn || problem) sayProblem(problem);
  if (!speaking.isOn) {
    if (session?.isOpen) session.endUtterance();
    drawMeter([]);
  }
  sayState(speaking.isOn ? t("Everybody here reads what you say.") : "");
  allowSpeaking();
}

function mute() {
  if (!speaking.isOn) return;
  speaking.microphone.mute(!speaking.isMuted);
  sayState(speaking.isMuted ? t("Muted: nobody hears you.") : t("Everybody here reads what you say."));
  allowSpeaking();
}

function keep(form) {
  const heard = captions.listHeard(find("#lang").value);
  const [text, type] = { txt: [writeText, "text/plain"], srt: [writeSrt, "application/x-subrip"], vtt: [writeVtt, "text/vtt"] }[form];
  const link = make("a", { href: URL.createObjectURL(new Blob([text(heard)], { type: `${type};charset=utf-8` })), download: `room-${room.code}.${form}` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

fillLanguages(find("#src"), make, guessLanguage());
fillLanguages(find("#lang-first"), make, guessLanguage());
find("#src").addEventListener("change", () => { find("#lang-first").value = find("#src").value; });
find("#form").addEventListener("submit", (event) => {
  event.preventDefault();
  const code = find("#code").value.trim();
  if (event.submitter?.id === "create" && !code) comeIn(null);
  else if (/^[0-9]{6}$/.test(code)) comeIn(code);
  else sayProblem(t("A code has six digits."));
});
find("#lang").addEventListener("change", ({ target }) => {
  listener.setLanguage(target.value);
  room.setLanguage(target.value);
});
find("#aloud").addEventListener("change", () => isAloud() || player.stop());
find("#mute").addEventListener("click", mute);
find("#leave").addEventListener("click", () => room.leave());
find("#end").addEventListener("click", () => room.end());
find("#copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(find("#link").href);
    find("#copy").textContent = t("Copied");
  } catch {
    sayProblem(t("The link cannot be copied here; open it, and copy its address."));
  }
});
find("#smaller").addEventListener("click", () => captions.resize(-1));
find("#larger").addEventListener("click", () => captions.resize(1));
find("#hall").addEventListener("click", () => {
  const isOn = document.body.classList.toggle("in-hall");
  find("#hall").setAttribute("aria-pressed", isOn);
});
for (const button of document.querySelectorAll("[data-form]")) button.addEventListener("click", () => keep(button.dataset.form));
addEventListener("keydown", (event) => {
  if (!room || event.target.matches("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "m") mute();
  else if (event.key === "Escape" && document.body.classList.contains("in-hall")) find("#hall").click();
  else if (event.key === "Escape") speaking.close();
});
find("#code").value = new URLSearchParams(location.search).get("code") ?? "";
if (find("#code").value) find("#join").classList.add("main");
drawMeter([]);
addEventListener("resize", () => drawMeter([]));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawMeter([]));
document.body.dataset.loaded = "yes";
