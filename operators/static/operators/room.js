// A room: everybody speaks and reads their own language. Speech goes by a session, captions come as to any listener.
import { Captions, writeSrt, writeText, writeVtt } from "./captions.js";
import { color, fitCanvas } from "./chart.js";
import { find, make, showFreshness } from "./dom.js";
import { fillLanguages, guessLanguage, nameLanguage } from "./languages-known.js";
import { Listening, askTicket } from "./listening.js";
import { findLoudest } from "./loudness.js";
import { openMicrophone } from "./microphone.js";
import { readAudio, toBase64 } from "./pcm.js";
import { Player } from "./player.js";
import { Session } from "./session.js";
import { t } from "./words.js";

const RECONNECT_MS = 2_000;
const REFUSALS = {
  ROOM_NOT_FOUND: t("There is no such room. Ask for the code again."),
  ROOM_FULL: t("As many are in this room as may speak. Ask for its link to listen."),
  RATE_LIMITED: t("That was too often. Wait a minute, then try again."),
};

const player = new Player();
const captions = new Captions(find("#captions"));
let session = null;
let listening = null;
let room = null;
let microphone = null;
let isMuted = false;
let isHost = false;

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

function open({ enter, resumeToken = "" }) {
  const src = find("#src").value;
  const mine = new Session({ src, tgt: chooseTarget(src, find("#lang").value), isAloud: false, resumeToken });
  session = mine;
  const on = (name, take) => mine.addEventListener(name, ({ detail }) => session === mine && take(detail));
  on("opened", () => {
    if (enter) mine.send(enter);
    showFreshness(t("connected"));
    allowSpeaking();
  });
  on("closed", () => {
    allowSpeaking();
    if (!room) return;
    showFreshness(t("connecting again…"), true);
    setTimeout(() => session === mine && room && open({ enter: null, resumeToken: mine.resumeToken ?? "" }), RECONNECT_MS);
  });
  on("room_create_ack", goIn);
  on("room_members", showMembers);
  on("room_error", ({ code, message }) => refuse(REFUSALS[code] ?? message));
  on("room_expired", ({ message }) => goOut(message));
  on("translation_result", say);
  on("error", ({ message }) => refuse(message));
  on("ui_event", ({ event, hint }) => event === "ERROR" && sayProblem(hint));
  on("missing_result", ({ reason }) => sayState(t("That was not translated ({reason}).", { reason: reason.replaceAll("_", " ") })));
}

// Words of others, in one's own language.
function say({ tts_audio: audio, tts_format: format }) {
  const samples = isAloud() ? readAudio(audio, format) : null;
  if (samples?.length) player.play(samples, session);
}

function refuse(why) {
  sayProblem(why);
  if (room) return;
  const refused = session;
  session = null;
  refused?.close();
  for (const button of ["#create", "#join"]) find(button).disabled = false;
}

function comeIn(frame) {
  isHost = frame.type === "room_create";
  sayProblem("");
  for (const button of ["#create", "#join"]) find(button).disabled = true;
  fillLanguages(find("#lang"), make, find("#lang-first").value);
  open({ enter: { ...frame, display_name: find("#name").value.trim() || undefined, preferred_lang: find("#lang").value } });
}

function goIn({ room_code: code, room_id: id }) {
  const isNew = room === null;
  room = { code, id };
  if (!isNew) return;
  find("#end").hidden = !isHost;
  find("#export").hidden = !(isHost && find("#keep").checked);
  find("#door").hidden = true;
  find("#inside").hidden = false;
  find("#room-code").textContent = code;
  history.replaceState(null, "", `?code=${code}`);
  document.title = `${t("Room {code}", { code })} · Lingua`;
  captions.clear();
  listen();
  showLink();
  allowSpeaking();
  find("#speak").focus();
}

function listen() {
  const mine = new Listening({ roomCode: room.code, lang: find("#lang").value, findTicket: async () => (await askTicket()).subprotocols });
  listening = mine;
  const on = (name, take) => mine.addEventListener(name, ({ detail }) => listening === mine && take(detail));
  on("language", ({ lang }) => {
    captions.clear();
    document.body.dataset.listens = lang;
  });
  on("caption", (caption) => captions.show(caption));
  on("caption_missing", (caption) => captions.miss(caption));
  on("behind", ({ captions: count }) => captions.noteGap(count));
  on("error", ({ message }) => sayProblem(message));
  on("over", ({ why }) => goOut(why));
}

async function showLink() {
  const { code, id } = room;
  let ticket = null;
  try {
    ({ ticket } = await askTicket({ room_code: code, room_id: id }));
  } catch (error) {
    sayProblem(error.message);
    return;
  }
  const link = `${location.origin}/room/${code}${ticket ? `#${ticket}` : ""}`;
  find("#link").href = link;
  find("#link").textContent = `${location.host}/room/${code}`;
  find("#qr").src = `/room/${code}/link.svg${ticket ? `?ticket=${encodeURIComponent(ticket)}` : ""}`;
}

function showMembers({ members }) {
  find("#members").replaceChildren(...members.map(({ session_id: id, display_name: name, preferred_lang: lang }) => make(
    "li", { class: captions.findColor(id), dir: "auto" }, name || id,
    id === session.id ? make("span", { class: "badge good" }, t("you")) : null,
    lang ? make("span", { class: "badge" }, nameLanguage(lang)) : null,
  )));
}

function goOut(why) {
  stopSpeaking();
  room = null;
  listening?.close();
  const left = session;
  session = listening = null;
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
  find("#speak").disabled = microphone === null && !session?.isOpen;
  find("#speak").setAttribute("aria-pressed", microphone !== null);
  find("#speak").textContent = microphone ? t("Stop") : t("Speak");
  find("#mute").hidden = microphone === null;
  find("#mute").setAttribute("aria-pressed", isMuted);
  find("#mute").textContent = isMuted ? t("Muted") : t("Mute");
}

function take(samples) {
  const heard = isMuted ? new Int16Array(samples.length) : samples;
  drawMeter(heard);
  if (session?.isOpen) session.stream(toBase64(heard));
}

function drawMeter(samples) {
  const { pen, width, height } = fitCanvas(find("#meter"), 12);
  pen.fillStyle = color("line");
  pen.fillRect(0, height / 2 - 2, width, 4);
  pen.fillStyle = color("series-1");
  pen.fillRect(0, height / 2 - 2, width * Math.min(1, Math.sqrt(findLoudest(samples))), 4);
}

function stopSpeaking() {
  if (microphone === null) return;
  microphone.close();
  microphone = null;
  isMuted = false;
  session?.stream(null, { isFinal: true });
  sayState("");
  drawMeter([]);
  allowSpeaking();
}

async function toggleSpeaking() {
  if (microphone) {
    stopSpeaking();
    return;
  }
  find("#speak").disabled = true;
  try {
    microphone = await openMicrophone(player.context, {
      onSamples: take,
      onLost: () => {
        stopSpeaking();
        sayProblem(t("The microphone is gone. Plug it in, then press Speak again."));
      },
    });
    sayProblem("");
    sayState(t("Everybody here reads what you say."));
  } catch (error) {
    sayProblem(error.message);
  }
  allowSpeaking();
}

function mute() {
  if (microphone === null) return;
  isMuted = !isMuted;
  sayState(isMuted ? t("Muted: nobody hears you.") : t("Everybody here reads what you say."));
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
  if (event.submitter?.id === "create" && !code) comeIn({ type: "room_create", client_ts: Date.now() });
  else if (/^[0-9]{6}$/.test(code)) comeIn({ type: "room_join", room_code: code });
  else sayProblem(t("A code has six digits."));
});
find("#lang").addEventListener("change", ({ target }) => {
  listening.setLanguage(target.value);
  session.send({ type: "room_language", room_code: room.code, preferred_lang: target.value });
});
find("#aloud").addEventListener("change", () => isAloud() || player.stop());
find("#speak").addEventListener("click", toggleSpeaking);
find("#mute").addEventListener("click", mute);
find("#leave").addEventListener("click", () => {
  session.send({ type: "room_leave", room_code: room.code });
  goOut();
});
find("#end").addEventListener("click", () => session.send({ type: "room_end", room_code: room.code }));
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
  else if (event.key === "Escape") stopSpeaking();
});
find("#code").value = new URLSearchParams(location.search).get("code") ?? "";
if (find("#code").value) find("#join").classList.add("main");
drawMeter([]);
addEventListener("resize", () => drawMeter([]));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawMeter([]));
document.body.dataset.loaded = "yes";
