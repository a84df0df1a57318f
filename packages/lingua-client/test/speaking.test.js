// One who speaks: captions, answers, and what becomes of them when the socket is lost.
import assert from "node:assert/strict";
import { test } from "node:test";

import { clip, connect, digest, failure, find, lay, library } from "./library.js";

const { Clip, LinguaError, SAMPLE_RATE } = library;
const QUICK = { speed: 20 };
// Behind it the server hears that somebody has stopped.
const WITH_PAUSE = { speed: 20, silenceMs: 1_500 };

function open(t, options = {}, server = {}) {
  const session = connect(server).session({ from: "en", to: "es", ...options });
  t.after(() => session.close());
  return session;
}

test("captions grow while somebody speaks, and end with what was said", async (t) => {
  const session = open(t);
  session.speak(new Clip(clip, WITH_PAUSE));
  const seen = [];
  for await (const caption of session.captions()) {
    seen.push(caption);
    if (caption.isFinal) break;
  }
  const last = seen.at(-1);
  assert.ok(seen.length > 1, "nothing was seen before the end");
  assert.ok(seen.every(({ id }) => id === last.id));
  assert.equal(last.lang, "es");
  assert.equal(last.speakerId, session.id);
  assert.match(last.text, /^translated/);
});

test("a marker ends an utterance without a pause, and all of it is heard", async (t) => {
  const session = open(t);
  const results = session.stream("translation_result");
  await session.speak(new Clip(clip, QUICK));
  const { value } = await results.next();
  assert.equal(value.text_asr, digest(clip));
});

test("what is said before the session is open is kept", async (t) => {
  const session = open(t);
  session.say(clip);
  session.endUtterance();
  assert.equal(session.state, "connecting");
  const { text_asr: heard } = await session.once("translation_result");
  assert.equal(heard, digest(clip));
});

test("a sentence whose socket is cut in its middle is heard whole, by the same session", async (t) => {
  const wire = await lay(t);
  const session = open(t, {}, { url: wire.url });
  const id = (await session.opened).session_id;
  const half = clip.length >> 1;
  session.say(clip.subarray(0, half));
  await session.once("translation_partial");
  const lost = session.once("reconnecting");
  wire.cut();
  assert.equal((await lost).attempt, 1);
  // Said while there is no socket.
  session.say(clip.subarray(half));
  session.endUtterance();
  const opened = await session.once("opened");
  assert.equal(opened.resumed, true);
  assert.equal(opened.session_id, id);
  const { text_asr: heard } = await session.once("translation_result");
  assert.equal(heard, digest(clip));
});

test("an answer that is under way when the socket is cut comes once", async (t) => {
  const wire = await lay(t);
  const session = open(t, {}, { url: wire.url });
  await session.opened;
  const results = [];
  session.on("translation_result", (result) => results.push(result));
  const answer = session.translate(clip);
  wire.cut();
  assert.equal((await answer).text_asr, digest(clip));
  assert.equal((await session.translate(clip.subarray(0, SAMPLE_RATE))).text_asr, digest(clip.subarray(0, SAMPLE_RATE)));
  assert.deepEqual(results.map(({ utterance_index: index }) => index), [0, 1]);
});

test("whole utterances are answered each by itself, also side by side", async (t) => {
  const session = open(t);
  const parts = [0, 1, 2].map((number) => clip.subarray(number * 8_000, (number + 1) * 8_000));
  const answers = await Promise.all(parts.map((part) => session.translate(part)));
  assert.deepEqual(answers.map(({ text_asr: heard }) => heard), parts.map(digest));
});

test("a refusal has the server's code", async (t) => {
  const session = open(t, { to: "sw" });
  const error = await failure(session.translate(clip));
  assert.ok(error instanceof LinguaError);
  assert.equal(error.code, "NO_CAPABLE_NODE");
});

test("audio that is none is refused by name", async (t) => {
  const session = open(t);
  const error = await failure(session.translate(new TextEncoder().encode("fLaC0000000000000000"), { audioFormat: "flac" }));
  assert.equal(error.code, "INVALID_AUDIO");
});

test("a language that is none fails the session with the server's words", async (t) => {
  const session = open(t, { from: "???" });
  const error = await failure(session.opened);
  assert.equal(error.code, "INVALID_MESSAGE");
  assert.match(error.message, /src_lang/);
  assert.equal(session.state, "closed");
});

test("several languages give a caption each", async (t) => {
  const session = open(t, { to: ["es", "de"] });
  session.speak(new Clip(clip, QUICK));
  const langs = new Set();
  for await (const { isFinal, lang } of session.captions()) {
    if (isFinal) langs.add(lang);
    if (langs.size === 2) break;
  }
  assert.deepEqual([...langs].sort(), ["de", "es"]);
});

test("what was told before a cut is not told again", async (t) => {
  const wire = await lay(t);
  // Of several languages none is acknowledged, so the server tells them all again.
  const session = open(t, { to: ["es", "de"] }, { url: wire.url });
  await session.opened;
  const told = [];
  const speak = async (count) => {
    const results = session.stream("translation_result");
    await session.speak(new Clip(clip, QUICK));
    for (let heard = 0; heard < count; heard += 1) told.push((await results.next()).value);
  };
  await speak(2);
  const back = session.once("opened");
  wire.cut();
  assert.equal((await back).resumed, true);
  await speak(2);
  const names = told.map(({ utterance_index: index, tgt_lang: lang }) => `${index} ${lang}`);
  assert.equal(new Set(names).size, 4, names.join());
});

test("a signal ends a session at once, and every loop over it", async (t) => {
  const stop = new AbortController();
  const session = open(t, { signal: stop.signal });
  await session.opened;
  const captions = session.captions();
  const reading = captions.next();
  const speaking = session.speak(new Clip(clip));
  stop.abort();
  assert.equal((await reading).done, true);
  await speaking;
  assert.equal(session.state, "closed");
  assert.throws(() => session.say(clip), { code: "SESSION_CLOSED" });
});

test("a signal takes an utterance back, and the next one is answered", async (t) => {
  const session = open(t);
  await session.opened;
  const stop = new AbortController();
  const answer = session.translate(clip, { signal: stop.signal });
  stop.abort();
  assert.equal((await failure(answer)).name, "AbortError");
  assert.equal((await session.translate(clip)).text_asr, digest(clip));
});

test("speech stops with its signal, and what was said is answered", async (t) => {
  const session = open(t);
  await session.opened;
  const stop = new AbortController();
  session.once("translation_partial").then(() => stop.abort());
  const result = session.once("translation_result");
  await session.speak(new Clip(clip, { silenceMs: 60_000 }), { signal: stop.signal });
  assert.ok((await result).text_asr);
});

test("closing tells what the server still has", async (t) => {
  const session = open(t);
  await session.opened;
  const ends = [];
  session.on("closed", ({ error }) => ends.push(error));
  await session.close();
  await session.close();
  assert.deepEqual(ends, [undefined]);
});

test("words of both kinds are not mixed in a session", async (t) => {
  const session = open(t);
  await session.opened;
  await session.translate(clip);
  assert.throws(() => session.say(clip), { code: "MIXED_INPUT" });
});

test("a server that never answered is given up, with a word", async (t) => {
  const wire = await lay(t);
  wire.close();
  const session = open(t, { firstTries: 2 }, { url: wire.url });
  const closed = session.once("closed");
  assert.equal((await failure(session.opened)).code, "UNREACHABLE");
  assert.equal((await closed).error.code, "UNREACHABLE");
  assert.equal((await failure(session.captions().next())).code, "UNREACHABLE");
  await session.speak(new Clip(clip));
});

test("a server that answered once is waited for, however long it is away", async (t) => {
  const wire = await lay(t);
  const session = open(t, { firstTries: 1 }, { url: wire.url });
  await session.opened;
  wire.close();
  await find(session.stream("reconnecting"), ({ attempt }) => attempt === 3);
  const opened = session.once("opened");
  wire.open();
  assert.equal((await opened).resumed, true);
});

test("who does not want to come back does not", async (t) => {
  const wire = await lay(t);
  const session = open(t, { reconnect: false }, { url: wire.url });
  await session.opened;
  const closed = session.once("closed");
  wire.cut();
  assert.equal((await closed).error.code, "UNREACHABLE");
});

test("another program goes on with a session by its token, and the older one ends", async (t) => {
  const older = open(t);
  const { session_id: id } = await older.opened;
  const replaced = older.once("closed");
  const newer = open(t, { resumeToken: older.resumeToken });
  const opened = await newer.opened;
  assert.equal(opened.session_id, id);
  assert.equal((await replaced).error.code, "REPLACED");
});

test("whole utterances go on where another program stopped, and get answers of their own", async (t) => {
  const older = open(t);
  assert.equal((await older.translate(clip)).text_asr, digest(clip));
  const newer = open(t, { resumeToken: older.resumeToken });
  const other = clip.subarray(0, SAMPLE_RATE);
  assert.equal((await newer.translate(other)).text_asr, digest(other));
});

test("an endless source that gives nothing is left when it is told to", async (t) => {
  const session = open(t);
  const stop = new AbortController();
  let wasLeft = false;
  const source = { next: () => new Promise(() => {}), return: async () => ({ done: (wasLeft = true) }), [Symbol.asyncIterator]() { return this; } };
  const speaking = session.speak(source, { signal: stop.signal });
  stop.abort();
  await speaking;
  assert.ok(wasLeft);
});

test("more speech than may wait gives way, the oldest first, and is told of", async (t) => {
  const wire = await lay(t);
  const session = open(t, {}, { url: wire.url });
  await session.opened;
  wire.close();
  await session.once("reconnecting");
  const dropped = [];
  session.on("dropped", ({ bytes }) => dropped.push(bytes));
  const second = new Int16Array(SAMPLE_RATE);
  for (let said = 0; said < 62; said += 1) session.say(second);
  assert.deepEqual(dropped, [32_000, 32_000]);
});

test("a source is read no further than may wait", async (t) => {
  const wire = await lay(t);
  const session = open(t, {}, { url: wire.url });
  await session.opened;
  wire.close();
  await session.once("reconnecting");
  let given = 0;
  const stop = new AbortController();
  const source = (function* () {
    for (; given < 1_000; given += 1) yield new Int16Array(SAMPLE_RATE);
  })();
  const speaking = session.speak(source, { signal: stop.signal });
  // Until then it took what it takes.
  await find(session.stream("reconnecting"), ({ attempt }) => attempt > 1);
  assert.ok(given >= 30 && given < 60, `${given} were taken`);
  stop.abort();
  await speaking;
});
