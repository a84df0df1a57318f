// What is said in a room, by speaker, as one reads it; and all of it again as text or subtitles.
import { make } from "./dom.js";
import { t } from "./words.js";

const MOST_SHOWN = 400;
const COLORS = 5;
const REASONS = { NO_CAPABLE_NODE: t("Nobody can translate this into your language at present."), NO_AVAILABLE_NODE: t("Everybody who translates is busy; this was left out.") };
const SIZES = [18, 22, 26, 32, 40, 52, 68];
// As long as a caption stands at least, and at most, among subtitles.
const LEAST_MS = 1_200;
const MOST_MS = 7_000;

export class Captions {
  constructor(list) {
    Object.assign(this, { list, rows: new Map(), heard: new Map(), colors: new Map() });
    this.size = 2;
  }

  // The same colour for the same speaker for as long as this page is open.
  findColor(speakerId) {
    if (!this.colors.has(speakerId)) this.colors.set(speakerId, (this.colors.size % COLORS) + 1);
    return `by-${this.colors.get(speakerId)}`;
  }

  clear() {
    this.rows.clear();
    this.list.replaceChildren();
  }

  show(caption) {
    const { speaker_id: by, utterance_index: index, text, tail, is_final: isFinal, lang } = caption;
    const key = `${by} ${index}`;
    let row = this.rows.get(key);
    if (row?.isFinal && !isFinal) return;
    const follows = this.isAtEnd();
    row ??= this.add(key, caption);
    row.isFinal = isFinal;
    row.words.lang = lang;
    row.words.replaceChildren(text, tail ? make("span", { class: "tail" }, `${text ? " " : ""}${tail}`) : "");
    row.element.classList.toggle("open", !isFinal);
    if (isFinal) this.heard.set(`${key} ${lang}`, caption);
    this.follow(follows);
  }

  miss(caption) {
    const follows = this.isAtEnd();
    const row = this.rows.get(`${caption.speaker_id} ${caption.utterance_index}`) ?? this.add(`${caption.speaker_id} ${caption.utterance_index}`, caption);
    row.isFinal = true;
    row.element.classList.add("missing");
    row.words.textContent = REASONS[caption.reason] ?? t("This was not translated ({reason}).", { reason: caption.reason });
    this.follow(follows);
  }

  noteGap(count) {
    const follows = this.isAtEnd();
    this.list.append(make("li", { class: "gap" }, count === 1 ? t("One caption was left out here.") : t("{count} captions were left out here.", { count })));
    this.follow(follows);
  }

  add(key, { speaker_id: by, speaker_name: name, at_ms: at }) {
    const words = make("p", { dir: "auto" });
    const element = make("li", { class: this.findColor(by) }, make("span", { class: "by", dir: "auto" }, name || by, " "), words);
    element.title = new Date(at).toLocaleTimeString();
    this.list.append(element);
    const row = { element, words, isFinal: false };
    this.rows.set(key, row);
    while (this.list.children.length > MOST_SHOWN) this.list.firstChild.remove();
    return row;
  }

  // Who reads up is left there.
  isAtEnd() {
    const { scroller } = this;
    return scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 80;
  }

  follow(follows) {
    if (follows) this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  get scroller() {
    return this.list.scrollHeight > this.list.clientHeight + 1 ? this.list : document.scrollingElement;
  }

  resize(step) {
    this.size = Math.max(0, Math.min(SIZES.length - 1, this.size + step));
    document.documentElement.style.setProperty("--caption", `${SIZES[this.size]}px`);
  }

  // What this page heard, in the order in which it was said; `lang` is the language it is read in now.
  listHeard(lang) {
    return [...this.heard.values()].filter((one) => one.lang === lang).sort((one, other) => one.at_ms - other.at_ms);
  }
}

const oneLine = (text) => text.replace(/\s+/g, " ").trim();
// SRT has no way to write an arrow or markup that stands for itself; VTT has.
const forSrt = (text) => oneLine(text).replaceAll("-->", "→").replaceAll("<", "‹").replaceAll(">", "›");
const forVtt = (text) => oneLine(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

function writeTime(ms, comma) {
  const parts = [Math.floor(ms / 3_600_000), Math.floor(ms / 60_000) % 60, Math.floor(ms / 1000) % 60];
  return `${parts.map((part) => String(part).padStart(2, "0")).join(":")}${comma}${String(Math.floor(ms) % 1000).padStart(3, "0")}`;
}

// Times count from the first caption.
function listCues(captions, plain) {
  const first = captions[0]?.at_ms ?? 0;
  return captions.map((one, place) => {
    const begin = one.at_ms - first;
    const next = captions[place + 1] ? captions[place + 1].at_ms - first : Infinity;
    return { begin, end: Math.max(begin + LEAST_MS, Math.min(begin + MOST_MS, next)), by: plain(one.speaker_name || one.speaker_id), text: plain(one.text) };
  });
}

export function writeText(captions) {
  return captions.map((one) => `[${new Date(one.at_ms).toLocaleTimeString("en-GB")}] ${oneLine(one.speaker_name || one.speaker_id)}: ${oneLine(one.text)}\n`).join("");
}

export function writeSrt(captions) {
  return listCues(captions, forSrt).map(({ begin, end, by, text }, place) =>
    `${place + 1}\n${writeTime(begin, ",")} --> ${writeTime(end, ",")}\n${by}: ${text}\n\n`).join("");
}

export function writeVtt(captions) {
  return `WEBVTT\n\n${listCues(captions, forVtt).map(({ begin, end, by, text }) =>
    `${writeTime(begin, ".")} --> ${writeTime(end, ".")}\n<v ${by}>${text}\n\n`).join("")}`;
}
