// A server that lets nobody in without a credential, sends audio as binary frames, and takes twenty frames a second.
import assert from "node:assert/strict";
import { test } from "node:test";

import { clip, connect, digest, failure, find, lay, library, url } from "./library.js";

const { Clip } = library;
const token = process.env.LINGUA_TOKEN;
const LANGUAGES = { from: "en", to: "es" };

/** As a browser does, it says which page it is of; so it is told why it may not come in. */
class BrowserSocket extends globalThis.WebSocket {
  constructor(address, protocols) {
    super(address, { protocols, headers: { Origin: url } });
  }
}

test("a token opens a session, and opens it anew when its socket is cut", async (t) => {
  const wire = await lay(t);
  const session = connect({ url: wire.url, token: async () => token }).session(LANGUAGES);
  t.after(() => session.close());
  assert.equal((await session.opened).use_binary_frame, true);
  const half = clip.length >> 1;
  session.say(clip.subarray(0, half));
  await session.once("translation_partial");
  wire.cut();
  session.say(clip.subarray(half));
  session.endUtterance();
  const { text_asr: heard } = await session.once("translation_result");
  assert.equal(heard, digest(clip));
});

test("a token that is none is refused", async () => {
  const session = connect({ token: "lgs_none" }).session(LANGUAGES);
  assert.equal((await failure(session.opened)).code, "UNAUTHORIZED");
});

test("a token for something else is refused", async () => {
  const session = connect({ token: process.env.LINGUA_OTHER_TOKEN }).session(LANGUAGES);
  assert.equal((await failure(session.opened)).code, "FORBIDDEN");
});

test("who has nothing to show is told what may be missing", async () => {
  const session = connect().session({ ...LANGUAGES, firstTries: 1 });
  const error = await failure(session.opened);
  assert.equal(error.code, "UNREACHABLE");
  assert.match(error.message, /ticket/);
});

test("a page asks its own server for a ticket, for each socket a new one", async (t) => {
  const desk = connect({ token });
  const wire = await lay(t);
  let asked = 0;
  const ticket = async () => {
    asked += 1;
    return (await desk.askTicket()).ticket;
  };
  const session = connect({ url: wire.url, ticket, WebSocket: BrowserSocket }).session(LANGUAGES);
  t.after(() => session.close());
  await session.opened;
  const back = session.once("opened");
  wire.cut();
  assert.equal((await back).resumed, true);
  assert.equal(asked, 2);
});

test("a ticket that is not good twice is no way back", async (t) => {
  const { ticket } = await connect({ token }).askTicket();
  const wire = await lay(t);
  const session = connect({ url: wire.url, ticket, WebSocket: BrowserSocket }).session(LANGUAGES);
  await session.opened;
  const closed = session.once("closed");
  wire.cut();
  assert.equal((await closed).error.code, "UNAUTHORIZED");
});

test("a room's link lets listen there, and do nothing else", async (t) => {
  const desk = connect({ token });
  const host = desk.session(LANGUAGES);
  t.after(() => host.close());
  const room = await host.createRoom({ lang: "en" });
  const { ticket } = await desk.askTicket({ room_code: room.code, room_id: room.id });
  const guest = connect({ ticket, WebSocket: BrowserSocket });

  const listener = guest.listen({ lang: "es" });
  t.after(() => listener.close());
  assert.equal((await listener.once("listening")).room_code, room.code);
  assert.equal((await failure(guest.session(LANGUAGES).opened)).code, "FORBIDDEN");
});

test("speech waits where the server asks for less, and none is lost", async (t) => {
  const session = connect({ token }).session(LANGUAGES);
  t.after(() => session.close());
  await session.opened;
  let askedAt = null;
  session.once("backpressure").then(() => {
    askedAt = performance.now();
  });
  let said = 0;
  let tookMs = 0;
  await session.speak(
    (function* () {
      while (askedAt === null) {
        yield clip.subarray((said % 28) * 1_600, (said % 28) * 1_600 + 1_600);
        said += 1;
      }
      yield clip.subarray(0, 1_600);
      said += 1;
      tookMs = performance.now() - askedAt;
    })(),
  );
  assert.ok(tookMs >= 900, `it went on after ${tookMs} ms`);
  // The marker is the last of them.
  await find(session.stream("audio_ack"), ({ seq }) => seq >= said);
});
