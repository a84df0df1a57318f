// A program that uses the published client as somebody else would; it is compiled, not run.
import {
  Clip,
  Lingua,
  LinguaError,
  Microphone,
  Player,
  readWav,
  type Caption,
  type FromSpeaker,
  type Listener,
  type Room,
  type Session,
  type TranslationResult,
} from "lingua-client";

const stop = new AbortController();
const lingua = new Lingua({ url: new URL("https://lingua.example"), ticket: async ({ room_code }) => (room_code ? null : "ticket") });
const session: Session = lingua.session({ from: "en", to: ["es", "de"], speech: true, glossary: ["Lingua"], signal: stop.signal });
const off: () => void = session.on("translation_result", ({ text_translated, tts_chunks }) => {
  const text: string = text_translated;
  const chunks: number | undefined = tts_chunks;
  console.log(text.toUpperCase(), chunks?.toFixed());
}, { signal: stop.signal });
off();
session.on("error", ({ code, retryAfterMs }) => console.log(code.toLowerCase(), retryAfterMs));
session.on("reconnecting", ({ attempt, inMs }) => console.log(attempt + inMs));
session.on("opened", ({ resumed, session_id: id }) => console.log(resumed === true, id));
// @ts-expect-error no such event
session.on("translation_results", () => {});
// @ts-expect-error a message is sent whole
session.send("room_language", { room_code: "123456" });
session.send("utterance_cancel", {});

const microphone = await Microphone.open({ workletUrl: "/microphone-worklet.js", signal: stop.signal });
const speaking: Promise<void> = session.speak(microphone, { signal: stop.signal });
new Player().follow(session);
await session.speak(new Clip(readWav(new ArrayBuffer(44)), { speed: 2 }));
for await (const caption of session.captions({ signal: stop.signal })) {
  const shown: Caption = caption;
  console.log(shown.text, shown.tail, shown.isFinal);
}
const room: Room = await session.createRoom({ name: "Ada", lang: "en" });
room.on("members", (members) => members.map(({ display_name: name }) => name?.length));
const listener: Listener = lingua.listen({ room: room.code, lang: "de" });
for await (const { text, speaker_name: name } of listener.stream("caption")) console.log(text, name);
try {
  const result: TranslationResult = await session.translate(new Int16Array(16_000), { deadlineMs: 2_000 });
  console.log(result.text_asr);
} catch (error) {
  if (error instanceof LinguaError && error.code === "NO_AVAILABLE_NODE") console.log(error.retryAfterMs);
}
const frame: FromSpeaker["session_update"] = { type: "session_update", session_id: "s-1", glossary: [] };
console.log(frame, await speaking);
