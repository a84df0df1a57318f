// The speaker's page: speech in, what was heard and its translation out, with the time each stage took.
import { color, fitCanvas } from "./chart.js";
import { find, formatNumber, make, showFreshness } from "./dom.js";
import { Resampler, SAMPLE_RATE, fromBase64, readClip, toBase64, toFloats } from "./pcm.js";
import { Session } from "./session.js";

const LANGUAGES = { en: "English", es: "Spanish", zh: "Chinese", ja: "Japanese", ko: "Korean", de: "German", fr: "French", it: "Italian", pt: "Portuguese", ru: "Russian" };
const STAGES = [["asr_ms", "heard", "#2458c5"], ["nmt_ms", "translated", "#0f7d7d"], ["tts_ms", "spoken", "#7d3aa6"]];

let session = null;
let microphone = null;
let context = null;
const turns = new Map();

function sayState(text) { find("#state").textContent = text; }
function sayProblem(text) {
  find("#problem").textContent = text;
  find("#problem").classList.toggle("bad", Boolean(text));
}

function open() {
  session?.close();
  const mine = new Session({ src: find("#src").value, tgt: find("#tgt").value });
  session = mine;
  turns.clear();
  for (const button of ["#speak", "#play"]) find(button).disabled = true;
  mine.addEventListener("opened", ({ detail }) => {
    if (session !== mine) return;
    for (const button of ["#speak", "#play"]) find(button).disabled = false;
    sayState("Ready.");
    showFreshness(`session ${detail.session_id}`);
  });
  mine.addEventListener("closed", () => {
    if (session !== mine) return;
    sayState("Not connected; trying again.");
    showFreshness("not connected", true);
    setTimeout(() => session === mine && open(), 2000);
  });
  mine.addEventListener("asr_partial", ({ detail }) => update(detail, (turn) => { turn.heard.textContent = detail.text; }));
  mine.addEventListener("ui_event", ({ detail }) => update(detail, (turn) => showProgress(turn, detail)));
  mine.addEventListener("translation_result", ({ detail }) => update(detail, (turn) => showResult(turn, detail)));
  mine.addEventListener("missing_result", ({ detail }) => update(detail, (turn) => {
    end(turn, "bad", detail.reason.replaceAll("_", " "));
    if (turn.heard.textContent === "…") turn.heard.textContent = "(no answer)";
  }));
  mine.addEventListener("error", ({ detail }) => sayProblem(`${detail.code}: ${detail.message}`));
}

// When the microphone was closed on speech that the server has not yet said a word of.
let spokenAt = null;

function addTurn(index) {
  const turn = {
    state: make("span", { class: "badge" }, "sent"),
    heard: make("p", { class: "said", lang: session.src }, "…"),
    translated: make("p", { class: "said translated", lang: session.tgt }),
    stages: make("div", { class: "stages", role: "img" }),
    figures: make("p", { class: "empty" }),
    replay: make("button", { type: "button", hidden: true }, "Hear it again"),
    sentAt: spokenAt ?? performance.now(),
  };
  spokenAt = null;
  turn.stages.hidden = true;
  turn.element = make("div", { class: "turn" }, turn.state, turn.heard, turn.translated, turn.replay, turn.stages, turn.figures);
  const list = find("#turns");
  if (!turns.size) list.replaceChildren();
  list.prepend(turn.element);
  turns.set(index, turn);
  sayProblem("");
}

function update(message, change) {
  if (!turns.has(message.utterance_index)) addTurn(message.utterance_index);
  change(turns.get(message.utterance_index));
}

function showProgress(turn, { event, hint, job_id: jobId }) {
  const words = { DISPATCHED: "with a node", NODE_ACCEPTED: "accepted", ASR_PARTIAL: "listening", ASR_FINAL: "heard", NMT_DONE: "translated" };
  if (event === "ERROR") sayProblem(hint ?? "It did not work.");
  else turn.state.textContent = words[event] ?? event;
  if (jobId) turn.jobId = jobId;
}

// Every turn ends with a result, or with the word that there is none.
function end(turn, kind, text) {
  turn.state.className = `badge ${kind}`;
  turn.state.textContent = text;
  turn.isOver = true;
  if (!microphone?.isOpen && [...turns.values()].every(({ isOver }) => isOver)) sayState("Ready.");
}

function showResult(turn, result) {
  end(turn, "good", "done");
  turn.heard.textContent = result.text_asr || "(nothing heard)";
  turn.translated.textContent = result.text_translated || "(no translation)";
  const timings = result.service_timings ?? {};
  const total = performance.now() - turn.sentAt;
  const known = STAGES.filter(([key]) => timings[key] > 0);
  const rest = Math.max(0, total - known.reduce((sum, [key]) => sum + timings[key], 0));
  turn.stages.hidden = false;
  const parts = [...known.map(([key, label, shade]) => [timings[key], label, shade]), [rest, "on the way", "#6b7686"]];
  turn.stages.replaceChildren(...parts.map(([ms, label, shade]) => {
    const part = make("span", {}, make("b", {}, `${label} ${formatNumber(ms)} ms`));
    part.style.flexGrow = ms;
    part.style.flexBasis = 0;
    part.style.background = shade;
    return part;
  }));
  const text = parts.map(([ms, label]) => `${label} ${formatNumber(ms)} ms`).join(", ");
  turn.stages.setAttribute("aria-label", text);
  turn.figures.replaceChildren(`${text}; ${formatNumber(total)} ms in all. `,
    make("a", { href: `/api/v1/jobs/${encodeURIComponent(result.job_id)}` }, "The job's timeline"));
  if (result.tts_audio && result.tts_format === "pcm16") {
    const samples = fromBase64(result.tts_audio);
    turn.replay.hidden = false;
    turn.replay.onclick = () => hear(samples);
    hear(samples);
    document.body.dataset.heardSamples = samples.length;
  } else if (result.tts_audio) {
    turn.figures.append(" (This page cannot play Opus speech.)");
  }
}

function audio() {
  context ??= new AudioContext();
  if (context.state === "suspended") context.resume();
  return context;
}

function hear(samples) {
  if (!samples.length) return;
  const buffer = audio().createBuffer(1, samples.length, SAMPLE_RATE);
  buffer.copyToChannel(toFloats(samples), 0);
  const source = audio().createBufferSource();
  source.buffer = buffer;
  source.connect(audio().destination);
  source.start();
}

async function openMicrophone() {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true } });
  await audio().audioWorklet.addModule(new URL("./microphone-worklet.js", import.meta.url));
  const source = audio().createMediaStreamSource(stream);
  const worklet = new AudioWorkletNode(audio(), "microphone", { numberOfOutputs: 0 });
  const resampler = new Resampler(audio().sampleRate);
  worklet.port.onmessage = ({ data }) => {
    const samples = resampler.take(data);
    drawMeter(samples);
    if (microphone?.isOpen) session.stream(toBase64(samples));
  };
  source.connect(worklet);
  return { isOpen: false };
}

function drawMeter(samples) {
  const { pen, width, height } = fitCanvas(find("#meter"), 36);
  const loudest = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0) / 32768;
  pen.fillStyle = color("line");
  pen.fillRect(0, height / 2 - 3, width, 6);
  pen.fillStyle = color(microphone?.isOpen ? "series-1" : "soft");
  pen.fillRect(0, height / 2 - 3, width * Math.min(1, Math.sqrt(loudest)), 6);
}

async function toggleSpeaking() {
  const button = find("#speak");
  if (microphone?.isOpen) {
    microphone.isOpen = false;
    session.stream(null, { isFinal: true });
    spokenAt = performance.now();
    button.setAttribute("aria-pressed", "false");
    button.textContent = "Speak";
    sayState("Sent.");
    return;
  }
  try {
    microphone ??= await openMicrophone();
  } catch (error) {
    sayProblem(`The microphone cannot be used (${error.message}). A clip works all the same.`);
    return;
  }
  microphone.isOpen = true;
  button.setAttribute("aria-pressed", "true");
  button.textContent = "Stop and translate";
  sayState("Listening…");
}

async function sayClip() {
  try {
    const samples = await readClip(`/static/clips/${find("#clip").value}.wav`);
    audio();
    spokenAt = null;
    addTurn(session.utter(toBase64(samples)));
    sayState("Sent.");
  } catch (error) {
    sayProblem(error.message);
  }
}

for (const [place, chosen] of [["#src", "en"], ["#tgt", "es"]]) {
  find(place).replaceChildren(...Object.entries(LANGUAGES).map(([code, name]) =>
    make("option", { value: code, selected: code === chosen }, name)));
  find(place).addEventListener("change", open);
}
find("#swap").addEventListener("click", () => {
  [find("#src").value, find("#tgt").value] = [find("#tgt").value, find("#src").value];
  open();
});
find("#speak").addEventListener("click", toggleSpeaking);
find("#play").addEventListener("click", sayClip);
drawMeter([]);
open();
