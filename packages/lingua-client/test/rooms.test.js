// Rooms and who listens in them.
import assert from "node:assert/strict";
import { test } from "node:test";

import { clip, connect, failure, find, lay, library } from "./library.js";

const { Clip } = library;
const QUICK = { speed: 20 };

async function openRoom(t, seat = {}, server = {}) {
  const session = connect(server).session({ from: "en", to: "es" });
  t.after(() => session.close());
  const room = await session.createRoom({ name: "Ada", lang: "en", ...seat });
  return { session, room };
}

test("who joins is seen by all, and hears the others in its own language", async (t) => {
  const { session: ada, room } = await openRoom(t);
  const guest = connect().session({ from: "es", to: "en" });
  t.after(() => guest.close());
  const both = find(room.stream("members"), (members) => members.length === 2);
  const joined = await guest.joinRoom(room.code, { name: "Luis", lang: "es" });
  assert.equal(joined.id, room.id);
  assert.deepEqual((await both).map(({ display_name: name }) => name), ["Ada", "Luis"]);

  const heard = find(guest.captions(), ({ isFinal }) => isFinal);
  await ada.speak(new Clip(clip, QUICK));
  const caption = await heard;
  assert.equal(caption.speakerId, ada.id);
  assert.equal(caption.lang, "es");
  assert.match(caption.text, /^translated/);

  const alone = find(room.stream("members"), (members) => members.length === 1);
  joined.leave();
  assert.equal(joined.hasLeft, true);
  assert.equal((await alone)[0].display_name, "Ada");
});

test("a room that is not there is refused", async (t) => {
  const session = connect().session({ from: "en", to: "es" });
  t.after(() => session.close());
  assert.equal((await failure(session.joinRoom("000000"))).code, "ROOM_NOT_FOUND");
  assert.equal(session.isOpen, true);
});

test("a member whose socket is cut keeps its seat", async (t) => {
  const wire = await lay(t);
  const { session, room } = await openRoom(t, {}, { url: wire.url });
  const back = session.once("opened");
  wire.cut();
  assert.equal((await back).resumed, true);
  const members = find(room.stream("members"), ([member]) => member.preferred_lang === "de");
  room.setLanguage("de");
  assert.deepEqual((await members).map(({ session_id: id }) => id), [session.id]);
});

test("a room that is ended is over for everybody", async (t) => {
  const { room } = await openRoom(t);
  const listener = connect().listen({ room: room.code, lang: "es" });
  await listener.once("listening");
  const [left, closed] = [room.once("left"), listener.once("closed")];
  room.end();
  assert.equal((await left).error.code, "ROOM_EXPIRED");
  assert.equal((await closed).error.code, "ROOM_EXPIRED");
});

test("a listener hears what is said, comes back by itself, and hears nothing twice", async (t) => {
  const wire = await lay(t);
  const { session } = await openRoom(t);
  const listener = connect({ url: wire.url }).listen({ room: session.room.code, lang: "es" });
  t.after(() => listener.close());
  await listener.once("listening");
  const final = [];
  listener.on("caption", (caption) => caption.is_final && final.push(caption.utterance_index));
  const first = find(listener.captions(), ({ is_final: isFinal }) => isFinal);
  await session.speak(new Clip(clip, QUICK));
  await first;

  const [lost, back] = [listener.once("reconnecting"), listener.once("listening")];
  wire.cut();
  await lost;
  await back;
  const second = find(listener.captions(), ({ is_final: isFinal }) => isFinal);
  await session.speak(new Clip(clip, QUICK));
  await second;
  assert.equal(final.length, 2);
  assert.notEqual(final[0], final[1]);
});

test("a listener changes its language, and hears the last minutes in it", async (t) => {
  const { session, room } = await openRoom(t);
  const listener = connect().listen({ room: room.code, lang: "es" });
  t.after(() => listener.close());
  await listener.once("listening");
  const language = find(listener.stream("language"), ({ lang }) => lang === "de");
  listener.setLanguage("de");
  await language;
  const heard = find(listener.captions(), ({ is_final: isFinal }) => isFinal);
  await session.speak(new Clip(clip, QUICK));
  assert.equal((await heard).lang, "de");
});

test("who listens in a room that is not there is told so, once and for all", async () => {
  const listener = connect().listen({ room: "000000", lang: "es" });
  const { error } = await listener.once("closed");
  assert.equal(error.code, "ROOM_NOT_FOUND");
});
