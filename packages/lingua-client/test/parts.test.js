// What needs no server: options, queues, sound.
import assert from "node:assert/strict";
import { test } from "node:test";

import { clip, connect, library } from "./library.js";

const { Clip, Emitter, Lingua, readSpeech, readWav, SAMPLE_RATE, toBase64 } = library;

class Bell extends Emitter {
  ring(number) {
    this.emit("rung", number);
  }

  stop(error) {
    this.finish(error);
  }
}

test("an address that is none is refused at once, with what to write", () => {
  assert.throws(() => connect({ url: "lingua" }), { code: "BAD_OPTION", message: /https:\/\/lingua.example/ });
  assert.throws(() => connect({ url: "ftp://lingua.example" }), { code: "BAD_OPTION" });
  assert.throws(() => new Lingua(), { code: "BAD_OPTION", message: /url/ });
});

test("a token and a ticket are one too many", () => {
  assert.throws(() => connect({ token: "one", ticket: "two" }), { code: "BAD_OPTION" });
});

test("a session needs its languages", () => {
  assert.throws(() => connect().session({ from: "en" }), { code: "BAD_OPTION" });
  assert.throws(() => connect().session({ from: "en", to: [] }), { code: "BAD_OPTION" });
  assert.throws(() => connect().session({ from: "", to: "es" }), { code: "BAD_OPTION" });
});

test("speech in another form than samples or bytes is refused, with what to write", async (t) => {
  const session = connect({ url: "http://127.0.0.1:1" }).session({ from: "en", to: "es" });
  t.after(() => session.close());
  for (const audio of [new Float32Array(10), [1, 2], "speech", new ArrayBuffer(4), undefined]) {
    assert.throws(() => session.say(audio), { code: "BAD_OPTION", message: /Int16Array/ });
    await assert.rejects(session.translate(audio), { code: "BAD_OPTION" });
  }
  await assert.rejects(session.speak([new Float32Array(10)]), { code: "BAD_OPTION" });
});

test("a loop ends with what it runs over, having read what was told", async () => {
  const bell = new Bell();
  const rung = bell.stream("rung");
  bell.ring(1);
  bell.ring(2);
  bell.stop();
  const heard = [];
  for await (const number of rung) heard.push(number);
  assert.deepEqual(heard, [1, 2]);
});

test("a loop throws what ended it, once", async () => {
  const bell = new Bell();
  const rung = bell.stream("rung");
  bell.stop(new Error("broken"));
  await assert.rejects(rung.next(), /broken/);
  assert.equal((await rung.next()).done, true);
});

test("a loop that is left lets go", async () => {
  const bell = new Bell();
  setTimeout(() => bell.ring(1));
  for await (const number of bell.stream("rung")) if (number) break;
  bell.ring(2);
});

test("a loop that nobody reads keeps the newest thousand", async () => {
  const bell = new Bell();
  const rung = bell.stream("rung");
  for (let number = 0; number < 1_500; number += 1) bell.ring(number);
  assert.equal((await rung.next()).value, 500);
});

test("a signal takes a listener away", () => {
  const [bell, stop, heard] = [new Bell(), new AbortController(), []];
  bell.on("rung", (number) => heard.push(number), { signal: stop.signal });
  bell.ring(1);
  stop.abort();
  bell.ring(2);
  assert.deepEqual(heard, [1]);
});

test("a WAV of another rate is read at ours", () => {
  const samples = readWav(makeWav({ rate: 48_000, count: 48_000 }));
  assert.equal(samples.length, SAMPLE_RATE);
});

test("a WAV that cannot be read is refused with what it is", () => {
  assert.throws(() => readWav(makeWav({ channels: 2 })), { code: "INVALID_AUDIO", message: /2 of 16 bits/ });
  assert.throws(() => readWav(new Uint8Array([1, 2, 3])), { code: "INVALID_AUDIO" });
  assert.throws(() => readWav(new Uint8Array(44)), { code: "INVALID_AUDIO" });
  assert.throws(() => readWav(makeWav({ count: 0 }).slice(0, 36)), { code: "INVALID_AUDIO" });
});

test("speech that cannot be played is none", () => {
  assert.equal(readSpeech(toBase64(new Uint8Array([1, 2])), "opus"), null);
  assert.equal(readSpeech("%", "pcm16"), null);
  assert.equal(readSpeech(toBase64(new Int16Array([7])), "pcm16")[0], 7);
});

test("a clip gives every sample, and then its silence", async () => {
  let count = 0;
  for await (const piece of new Clip(clip, { speed: Infinity, silenceMs: 500 })) count += piece.length;
  assert.equal(count, clip.length + SAMPLE_RATE / 2);
});

function makeWav({ rate = SAMPLE_RATE, channels = 1, count = 100 } = {}) {
  const view = new DataView(new ArrayBuffer(44 + count * 2));
  for (const [place, word] of [[0, "RIFF"], [8, "WAVE"], [12, "fmt "], [36, "data"]]) {
    for (let letter = 0; letter < 4; letter += 1) view.setUint8(place + letter, word.charCodeAt(letter));
  }
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, channels, true);
  view.setUint32(24, rate, true);
  view.setUint16(34, 16, true);
  view.setUint32(40, count * 2, true);
  return new Uint8Array(view.buffer);
}
