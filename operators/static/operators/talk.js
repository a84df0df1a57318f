// The speaker's page: speech in, its words and their translation out while it is said, with the time that took.
import { Clip, Player, readSpeech } from "../lingua-client/index.js";
import { color, fitCanvas } from "./chart.js";
import { readClip } from "./clips.js";
import { find, make, showFreshness } from "./dom.js";
import { Ear, findLoudest } from "./loudness.js";
import { connect } from "./server.js";
import { SpeakButton } from "./speak-button.js";
import { Turn } from "./turn.js";
import { t } from "./words.js";

const LANGUAGES = { en: t("English"), es: t("Spanish"), zh: t("Chinese"), ja: t("Japanese"), ko: t("Korean"), de: t("German"), fr: t("French"), it: t("Italian"), pt: t("Portuguese"), ru: t("Russian") };
const ADVICE = {
  NO_AVAILABLE_NODE: t("Start a node for these languages, or choose others."),
  UNAUTHORIZED: t("Log in as somebody who may open sessions, then reload this page."),
  FORBIDDEN: t("Log in as somebody who may open sessions, then reload this page."),
  INVALID_PAIRING_CODE: t("This code is nobody's, was used, or is too old: ask your node for another."),
  RATE_LIMITED: t("Wait a minute, then try again."),
  DEADLINE_EXCEEDED: t("Allow more time, or say it once more."),
  JOB_TIMEOUT: t("Say it once more; a shorter sentence is done sooner."),
};
const MOST_TURNS = 50;
// Nobody tells of an utterance in which a node heard nothing.
const PATIENCE_MS = 30_000;

const lingua = connect();
const player = new Player();
const speaking = new SpeakButton({ button: find("#speak"), player, onSamples: take, onChange: showMicrophone });
const turns = new Map();
let ear = new Ear();
let session = null;
let clip = null;

function sayState(text) { find("#state").textContent = text; }
function sayProblem(text) {
  find("#problem").textContent = text;
  find("#problem").classList.toggle("bad", Boolean(text));
}
function explain({ code, message, details }) {
  if (details?.http_status) message = t("You may not open a session (HTTP {status}).", { status: details.http_status });
  sayProblem([message || t("It did not work."), ADVICE[code], code ? `(${code})` : ""].filter(Boolean).join(" "));
}

const ready = () => (session.hasOwnNode ? t("Ready: your own node translates you.") : t("Ready."));
const isSpeaking = () => speaking.isOn || clip !== null;
const isAloud = () => find("#aloud").checked;

function allowSpeaking() {
  find("#speak").disabled = !speaking.isOn && (!session.isOpen || clip !== null);
  find("#play").disabled = !session.isOpen || isSpeaking();
}

// A code is good for one session: whoever opens another is served by any node again.
function open({ pairingCode = "" } = {}) {
  if (session?.hasOwnNode && !pairingCode) sayProblem(t("Your node is bound to you no more: ask it for another code."));
  session?.close();
  abandonTurns(t("cut off"));
  const mine = lingua.session({
    from: find("#src").value, to: find("#tgt").value, speech: isAloud(), pairingCode: pairingCode || undefined, client: "talk-3", firstTries: Infinity,
  });
  session = mine;
  const on = (name, take) => mine.on(name, (event) => session === mine && take(event));
  allowSpeaking();
  on("opened", ({ session_id: id, resumed, pairing_error: refused }) => {
    // What the session of before was asked, nobody answers any more.
    if (!resumed) abandonTurns(t("connection lost"));
    allowSpeaking();
    if (!resumed) mine.hasOwnNode = Boolean(pairingCode) && !refused;
    if (refused) explain({ code: refused, message: t("No node was bound to you.") });
    else if (mine.hasOwnNode) {
      sayProblem("");
      find("#code").value = "";
    }
    sayState(isSpeaking() ? t("Listening…") : ready());
    showFreshness(t("session {session}", { session: id }));
  });
  on("reconnecting", ({ error }) => {
    if (error.code !== "UNREACHABLE") explain(error);
    showLost(t("Not connected; trying again."));
  });
  on("closed", ({ error }) => {
    if (error) explain(error);
    abandonTurns(t("connection lost"));
    showLost(t("not connected"));
  });
  on("asr_partial", (message) => update(message, (turn) => turn.showHeard(message.text)));
  on("translation_partial", (message) => update(message, (turn) => {
    if (message.attempt_id > turn.attempt) player.stop(turn);
    turn.showTranslation(message);
  }));
  on("tts_chunk", (message) => update(message, (turn) => sayClause(turn, message)));
  on("ui_event", (message) => update(message, (turn) => {
    if (message.event === "ERROR") explain({ code: message.error_code, message: message.hint });
    else if (message.event === "QUEUED") turn.showPlace(message);
    else turn.showStep(message.event);
  }));
  on("translation_result", (message) => end(message, (turn) => showResult(turn, message)));
  on("missing_result", (message) => end(message, (turn) => turn.showMissing(message.reason)));
  on("error", explain);
  on("backpressure", ({ message }) => sayProblem(message ?? t("The server has too much to do; pause for some seconds.")));
}

function showLost(text) {
  allowSpeaking();
  sayState(text);
  showFreshness(t("not connected"), true);
}

function addTurn(index) {
  const turn = new Turn({ src: session.from, tgt: session.to[0], beganAt: ear.findBegin(performance.now()) });
  const list = find("#turns");
  list.querySelector(":scope > .empty")?.remove();
  list.prepend(turn.element);
  while (list.children.length > MOST_TURNS) list.lastChild.remove();
  turns.set(index, turn);
  sayProblem("");
  return turn;
}

function update({ utterance_index: index }, change) {
  const turn = turns.get(index) ?? addTurn(index);
  clearTimeout(turn.patience);
  change(turn);
  if (!turn.isOver) turn.patience = setTimeout(() => forget(index), PATIENCE_MS);
}

function forget(index) {
  const turn = turns.get(index);
  clearTimeout(turn.patience);
  turns.delete(index);
  if (!turn.isOver && !turn.hasWords) turn.element.remove();
  rest();
}

// Results come in the order of their utterances: of what is older and has none, nothing comes any more.
function end(message, change) {
  update(message, change);
  for (const [index, turn] of turns) {
    if (index < message.utterance_index && !turn.isOver) forget(index);
  }
  rest();
}

function rest() {
  if (!isSpeaking() && session.isOpen && [...turns.values()].every(({ isOver }) => isOver)) sayState(ready());
}

function abandonTurns(reason) {
  for (const turn of turns.values()) {
    clearTimeout(turn.patience);
    if (!turn.isOver) turn.showMissing(reason);
  }
  turns.clear();
}

// Clauses are played as they come; one that does not follow the last is left to the result.
function sayClause(turn, { attempt_id: attempt, seq, audio, tts_format: format }) {
  if (attempt < turn.attempt || turn.isOver) return;
  if (turn.goTo(attempt)) player.stop(turn);
  const samples = isAloud() && seq === turn.clauses ? readSpeech(audio, format) : null;
  if (samples?.length) turn.notePlayed(play(samples, turn));
}

function play(samples, turn) {
  document.body.dataset.heardSamples = Number(document.body.dataset.heardSamples ?? 0) + samples.length;
  return player.play(samples, turn).inMs;
}

function showResult(turn, result) {
  turn.showResult(result);
  announce(turn);
  const samples = readSpeech(result.tts_audio, result.tts_format);
  if (samples?.length) {
    turn.replay.hidden = false;
    turn.replay.onclick = () => {
      player.stop();
      play(samples, turn);
    };
    const wasSaid = turn.clauses > 0 && turn.clauses === result.tts_chunks;
    turn.element.dataset.saidAtEnd = isAloud() && !wasSaid;
    if (isAloud() && !wasSaid) {
      player.stop(turn);
      play(samples, turn);
    }
  } else if (result.tts_audio) {
    turn.figures.append(` ${t("(This page cannot play speech of this kind.)")}`);
  }
}

// Who listens to the page is told of whole sentences, not of each word that may still change.
function announce(turn) {
  find("#announced").replaceChildren(make("p", { lang: session.from }, turn.heard.textContent), make("p", { lang: session.to[0] }, turn.committed.textContent));
}

function take(samples) {
  drawMeter(samples);
  ear.take(samples, performance.now());
  if (session.state !== "closed") session.say(samples);
}

function drawMeter(samples) {
  const { pen, width, height } = fitCanvas(find("#meter"), 36);
  pen.fillStyle = color("line");
  pen.fillRect(0, height / 2 - 3, width, 6);
  pen.fillStyle = color("series-1");
  pen.fillRect(0, height / 2 - 3, width * Math.min(1, Math.sqrt(findLoudest(samples))), 6);
}

function showSpeaking() {
  find("#speak").setAttribute("aria-pressed", speaking.isOn);
  find("#speak").textContent = speaking.isOn ? t("Stop") : t("Speak");
  allowSpeaking();
  if (!isSpeaking()) drawMeter([]);
}

function showMicrophone(problem) {
  if (speaking.isOn) {
    ear = new Ear();
    sayState(t("Listening…"));
  } else if (find("#speak").getAttribute("aria-pressed") === "true") endSpeech();
  if (speaking.isOn || problem) sayProblem(problem);
  showSpeaking();
}

function endSpeech() {
  if (session.state !== "closed") session.endUtterance();
  sayState(t("Sent."));
}

function stopSpeaking() {
  speaking.close();
  if (!clip) return;
  clip = null;
  endSpeech();
  showSpeaking();
}

// A clip is said at the pace at which it was spoken, as if into the microphone.
async function sayClip() {
  find("#play").disabled = true;
  const mine = {};
  try {
    const samples = await readClip(`/static/clips/${find("#clip").value}.wav`);
    player.context;
    ear = new Ear();
    clip = mine;
    sayState(t("Listening…"));
    showSpeaking();
    for await (const piece of new Clip(samples)) {
      if (clip !== mine) return;
      take(piece);
    }
    stopSpeaking();
  } catch (error) {
    sayProblem(`${error.message} ${t("Choose another clip, or speak.")}`);
    showSpeaking();
  }
}

for (const [place, chosen] of [["#src", "en"], ["#tgt", "es"]]) {
  find(place).replaceChildren(...Object.entries(LANGUAGES).map(([code, name]) =>
    make("option", { value: code, selected: code === chosen }, name)));
  find(place).addEventListener("change", () => open());
}
find("#swap").addEventListener("click", () => {
  [find("#src").value, find("#tgt").value] = [find("#tgt").value, find("#src").value];
  open();
});
find("#aloud").addEventListener("change", () => {
  find("#headphones").hidden = !isAloud();
  if (isAloud()) open();
  else player.stop();
});
find("#pairing").addEventListener("submit", (event) => {
  event.preventDefault();
  if (find("#code").value.trim()) open({ pairingCode: find("#code").value });
});
find("#play").addEventListener("click", sayClip);
addEventListener("keydown", ({ key }) => {
  if (key !== "Escape") return;
  stopSpeaking();
  player.stop();
});
addEventListener("resize", () => {
  for (const line of document.querySelectorAll(".words")) line.style.minHeight = "";
  drawMeter([]);
});
drawMeter([]);
open();
