// What needs no server: frames that are not as they should be, from a socket of the test's own.
import assert from "node:assert/strict";
import { test } from "node:test";

import { failure, library } from "./library.js";

/** A socket that opens by itself and says what the test wants. */
class Said {
  static last;
  readyState = 0;
  bufferedAmount = 0;
  sent = [];
  #takers = {};

  constructor() {
    Said.last = this;
    setTimeout(() => {
      this.readyState = 1;
      this.#tell("open", {});
    });
  }

  addEventListener(name, take) {
    (this.#takers[name] ??= []).push(take);
  }

  send(frame) {
    this.sent.push(JSON.parse(frame));
  }

  close() {
    this.readyState = 3;
  }

  say(...frames) {
    for (const frame of frames) this.#tell("message", { data: typeof frame === "string" ? frame : JSON.stringify(frame) });
  }

  #tell(name, event) {
    for (const take of this.#takers[name] ?? []) take(event);
  }
}

const ACK = { type: "session_init_ack", session_id: "s-1", role: "speaker" };
const lingua = new library.Lingua({ url: "http://lingua.example", ticket: "t", WebSocket: Said });

/** Faults that nobody caught, as they would end a program. */
function watch(t) {
  const uncaught = [];
  const note = (error) => uncaught.push(error);
  process.on("uncaughtException", note);
  t.after(() => process.off("uncaughtException", note));
  return uncaught;
}

async function begin(open) {
  const one = open();
  while (!Said.last?.sent.length) await new Promise((resolve) => setTimeout(resolve));
  return [one, Said.last];
}

const openSession = () => {
  Said.last = undefined;
  return begin(() => lingua.session({ from: "en", to: "es", reconnect: false }));
};
const openListener = (options = {}) => {
  Said.last = undefined;
  return begin(() => lingua.listen({ room: "123456", lang: "es", ...options }));
};

test("a frame that lacks what it should have ends no program, and is told", async (t) => {
  const uncaught = watch(t);
  const [session, socket] = await openSession();
  t.after(() => session.close());
  const errors = [];
  session.on("error", (error) => errors.push(error));
  socket.say(ACK);
  await session.opened;
  const odd = [
    { type: "translation_partial", session_id: "s-1", utterance_index: 0, attempt_id: 1 },
    { type: "translation_partial", session_id: "s-1", utterance_index: 0, attempt_id: 1, committed: 7 },
  ];
  const waits = failure(session.translate(new Int16Array(10)));
  while (socket.sent.at(-1).type !== "utterance") await new Promise((resolve) => setTimeout(resolve));
  socket.say(...odd, { type: "missing_result", session_id: "s-1", utterance_index: 0 });
  await waits;

  socket.say("null", "5", "[]", "{", '{"type":5}', { type: "nobody knows it" }, { type: "audio_ack" });
  socket.say({ type: "translation_result", session_id: "s-1", utterance_index: 1, text_asr: "one", text_translated: "uno" });
  await new Promise((resolve) => setTimeout(resolve, 5));

  assert.deepEqual(uncaught, []);
  assert.ok(errors.some(({ code }) => code === "BAD_FRAME"));
  assert.ok(session.isOpen);
});

test("what the server calls a message ends nothing here", async (t) => {
  const [session, socket] = await openSession();
  t.after(() => session.close());
  const told = [];
  socket.say(ACK);
  await session.opened;
  for (const name of ["closed", "opened", "reconnecting", "dropped", "caption"]) session.on(name, () => told.push(name));
  const messages = [];
  session.on("message", ({ type }) => messages.push(type));

  socket.say(...["closed", "opened", "reconnecting", "dropped", "caption", "message"].map((type) => ({ type })));

  assert.deepEqual(told, []);
  assert.deepEqual(messages, ["closed", "opened", "reconnecting", "dropped", "caption", "message"]);
});

test("a session that is to come later is asked for again; one that cannot be ends with its reason", async (t) => {
  for (const code of ["RATE_LIMITED", "SCHEDULER_DEPENDENCY_DOWN", "DRAINING"]) {
    const [session, socket] = await openSession();
    t.after(() => session.close());
    const again = session.once("reconnecting");
    socket.say({ type: "error", code, message: "later", details: { retry_after_ms: 60_000 } });
    const { error, inMs } = await again;
    assert.equal(error.code, code);
    assert.ok(inMs >= 60_000);
  }
  const [session, socket] = await openSession();
  socket.say({ type: "error", code: "INVALID_MESSAGE", message: "no such language" });
  assert.equal((await failure(session.captions().next())).code, "INVALID_MESSAGE");
});

test("who cannot listen is told why, and who may later is not", async (t) => {
  for (const code of ["INVALID_MESSAGE", "TOO_MANY_LANGUAGES", "ROOM_NOT_FOUND"]) {
    const [listener, socket] = await openListener();
    t.after(() => listener.close());
    const next = failure(listener.captions().next());
    socket.say({ type: "error", code, message: "it cannot be" });
    const late = new Promise((resolve) => setTimeout(resolve, 2_000, { code: "nothing was told" }));
    assert.equal((await Promise.race([next, late])).code, code);
  }
  const [listener, socket] = await openListener();
  t.after(() => listener.close());
  const again = listener.once("reconnecting");
  socket.say({ type: "error", code: "RATE_LIMITED", message: "later", details: { retry_after_ms: 60_000 } });
  assert.equal((await again).error.code, "RATE_LIMITED");
});

test("who listens hears on where another language cannot be", async (t) => {
  const [listener, socket] = await openListener();
  t.after(() => listener.close());
  socket.say({ type: "listening", lang: "es" });
  const error = listener.once("error");
  listener.setLanguage("xx");
  socket.say({ type: "error", code: "TOO_MANY_LANGUAGES", message: "no" });
  assert.equal((await error).code, "TOO_MANY_LANGUAGES");
  const next = listener.captions().next();
  socket.say({ type: "caption", caption_id: "1", lang: "es", text: "hola", is_final: true });
  assert.equal((await next).value.text, "hola");
});
