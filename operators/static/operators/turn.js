// One utterance on the page: its words as they come, what is translated of them, and the times it took.
import { formatNumber, make } from "./dom.js";
import { t } from "./words.js";

const STAGES = [["asr_ms", t("heard"), "#2458c5"], ["nmt_ms", t("translated"), "#0f7d7d"], ["tts_ms", t("spoken"), "#7d3aa6"]];
const REST = "#6b7686";
const UNSPACED = new Set(["zh", "ja"]);
const STEPS = { DISPATCHED: t("with a node"), NODE_ACCEPTED: t("accepted"), ASR_PARTIAL: t("listening"), ASR_FINAL: t("heard"), NMT_DONE: t("translated") };

function setWords(place, text) {
  place.textContent = text;
  keepHeight(place.closest(".words"));
}

// A line that was once needed stays: what is below does not jump when a revision is shorter.
function keepHeight(element) {
  if (element.offsetHeight > (parseFloat(element.style.minHeight) || 0)) element.style.minHeight = `${element.offsetHeight}px`;
}

const seconds = (ms) => `${formatNumber(ms / 1000, 1)} s`;

export class Turn {
  // `beganAt` is when somebody was heard to begin, about.
  constructor({ src, tgt, beganAt }) {
    Object.assign(this, { beganAt, attempt: 0, clauses: 0, wordsAt: null, clauseAt: null, isOver: false });
    this.state = make("span", { class: "badge" }, t("sent"));
    this.heard = make("p", { class: "said heard", lang: src }, "…");
    this.committed = make("span", { class: "committed" });
    this.tail = make("span", { class: "tail" });
    this.translated = make("p", { class: "said translated", lang: tgt }, this.committed, this.tail);
    this.stages = make("div", { class: "stages", role: "img", "aria-label": t("The times are known at the end") });
    this.figures = make("p", { class: "figures" });
    this.replay = make("button", { type: "button", class: "replay" }, t("Hear it"));
    this.replay.hidden = true;
    this.timeline = make("a", {}, t("Timeline"));
    this.timeline.hidden = true;
    this.element = make("div", { class: "turn" }, make("div", { class: "turn-head" }, this.state, this.timeline, this.replay),
      make("div", { class: "words" }, this.heard, this.translated), this.stages, this.figures);
  }

  get hasWords() { return this.heard.textContent !== "…" || this.committed.textContent !== ""; }

  showStep(event) {
    if (!this.isOver) this.state.textContent = STEPS[event] ?? event;
  }

  showPlace({ queue_position: place, expected_wait_ms: wait }) {
    if (!this.isOver) this.state.textContent = wait === undefined ? t("waits: no. {place}", { place }) : t("waits: no. {place}, about {time}", { place, time: seconds(wait) });
  }

  showHeard(text) {
    if (this.isOver || !text) return;
    this.wordsAt ??= performance.now();
    setWords(this.heard, text);
  }

  // What is committed only grows; what comes late, or of an older attempt, says nothing new.
  showTranslation({ attempt_id: attempt, committed, tail }) {
    const isSame = attempt === this.shownAttempt;
    if (this.isOver || attempt < this.attempt || (isSame && !committed.startsWith(this.committed.textContent))) return;
    this.goTo(attempt);
    this.shownAttempt = attempt;
    this.committed.textContent = committed;
    setWords(this.tail, `${this.findGap(committed, tail)}${tail}`);
  }

  findGap(committed, tail) {
    const isSet = !committed || !tail || /\s$/.test(committed) || /^[\s\p{P}]/u.test(tail);
    return isSet || UNSPACED.has(this.translated.lang) ? "" : " ";
  }

  // True where another attempt begins: what was shown and spoken of the one before counts no more.
  goTo(attempt) {
    if (attempt <= this.attempt) return false;
    const isAnew = this.attempt > 0;
    this.attempt = attempt;
    if (isAnew) {
      Object.assign(this, { clauses: 0, clauseAt: null });
      this.committed.textContent = this.tail.textContent = "";
      this.state.textContent = t("begun anew");
    }
    return isAnew;
  }

  notePlayed(inMs) {
    this.clauses += 1;
    this.clauseAt ??= performance.now() + inMs;
    this.element.dataset.clauses = this.clauses;
  }

  end(kind, text) {
    this.isOver = true;
    this.state.className = `badge ${kind}`;
    this.state.textContent = text;
    this.tail.textContent = "";
  }

  showMissing(reason) {
    this.end("bad", reason.replaceAll("_", " "));
    if (!this.hasWords) setWords(this.heard, t("(no answer)"));
  }

  showResult(result) {
    this.end("good", t("done"));
    setWords(this.heard, result.text_asr || t("(nothing heard)"));
    setWords(this.committed, result.text_translated || t("(no translation)"));
    this.showTimes(result);
  }

  // Counted from the end of speech, as the server heard it: of what a node did before, nobody waited for.
  showTimes({ service_timings: timings, job_id: jobId, scheduler_sent_at_ms: sentAt, speech_ended_at_ms: endedAt }) {
    const total = Math.max(0, endedAt ? sentAt - endedAt : performance.now() - this.beganAt);
    let left = total;
    const parts = [];
    for (const [key, label, shade] of STAGES.toReversed()) {
      const ms = Math.min(left, Math.max(0, Number(timings?.[key]) || 0));
      left -= ms;
      if (ms > 0) parts.unshift([ms, label, shade]);
    }
    parts.push([left, endedAt ? t("pause and way") : t("on the way"), REST]);
    this.stages.classList.add("known");
    this.stages.replaceChildren(...parts.map(([ms, label, shade]) => {
      const part = make("span", {}, make("b", {}, `${label} ${formatNumber(ms)} ms`));
      part.style.flexGrow = ms;
      part.style.flexBasis = 0;
      part.style.background = shade;
      return part;
    }));
    const text = parts.map(([ms, label]) => `${label} ${formatNumber(ms)} ms`).join(", ");
    this.stages.setAttribute("aria-label", text);
    const before = endedAt ? this.tellWhatCameBefore(performance.now() - total) : "";
    this.figures.textContent = `${seconds(total)} ${endedAt ? t("after the end of speech") : t("in all")}: ${text}. ${before}`;
    this.timeline.href = `/jobs?job=${encodeURIComponent(jobId)}`;
    this.timeline.hidden = false;
  }

  tellWhatCameBefore(endedAt) {
    const wordsMs = this.wordsAt === null ? 0 : endedAt - this.wordsAt;
    const clauseMs = this.clauseAt === null ? 0 : endedAt - this.clauseAt;
    Object.assign(this.element.dataset, { wordsBeforeEndMs: Math.round(wordsMs), clauseBeforeEndMs: Math.round(clauseMs) });
    if (wordsMs <= 0) return "";
    const words = t("First words after {time}", { time: seconds(Math.max(0, this.wordsAt - this.beganAt)) });
    return clauseMs > 0 ? `${words}${t(", speech {time} before the end.", { time: seconds(clauseMs) })} ` : `${words}. `;
  }
}
