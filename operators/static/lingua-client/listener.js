import { Connection } from "./connection.js";
import { Emitter } from "./emitter.js";
import { isTemporary, LinguaError, readSafely } from "./error.js";
import { Queue } from "./queue.js";
const MOST_UNREAD = 1_000;
// What no further try mends.
const FINAL = new Set(["ROOM_NOT_FOUND", "FORBIDDEN", "ROOM_FULL"]);
/** One who only listens in a room. Comes back by itself after a lost socket, and misses nothing that can still be had. */
export class Listener extends Emitter {
    #connection;
    #room;
    #lang;
    #heardLang;
    #isHeard = false;
    #after;
    #endedBy;
    /** @internal Listeners come from `lingua.listen()`. */
    constructor(door, options) {
        super();
        if (!options.lang)
            throw new LinguaError("BAD_OPTION", 'Say in which language: { room: "123456", lang: "es" }.');
        this.#room = options.room;
        this.#lang = options.lang;
        this.#after = options.after;
        this.#connection = new Connection(door, "/ws/listen", {}, options);
        this.#connection.on("open", () => this.#ask());
        this.#connection.on("frame", (frame) => readSafely(frame.type, () => this.#take(frame), (error) => this.emit("error", error)));
        this.#connection.on("reconnecting", (lost) => this.emit("reconnecting", lost));
        this.#connection.on("closed", ({ error }) => {
            this.#endedBy = error;
            this.emit("closed", { error });
            this.finish(error);
        });
    }
    /** The language it wants to hear. */
    get lang() {
        return this.#lang;
    }
    /** The last caption it had, to go on from in another listener. */
    get after() {
        return this.#after;
    }
    /** Captions as they grow; of a reader who is slow those give way that have changed since. */
    captions({ signal } = {}) {
        const queue = new Queue({ most: MOST_UNREAD, signal });
        const offs = [
            this.on("caption", (caption) => queue.replace(caption, (other) => !other.is_final && isSame(other, caption))),
            this.on("closed", ({ error }) => queue.end(error)),
        ];
        queue.onEnd = () => offs.forEach((off) => off());
        if (this.#connection.hasEnded)
            queue.end(this.#endedBy);
        return queue;
    }
    /** Goes on in another language; the last minutes come again in it. */
    setLanguage(lang) {
        this.#lang = lang;
        this.#after = undefined;
        this.#connection.send({ type: "set_language", lang });
    }
    close() {
        this.#connection.end();
    }
    #ask() {
        this.#isHeard = false;
        this.#connection.send({ type: "listen", room_code: this.#room, lang: this.#lang, after: this.#after });
    }
    #take(frame) {
        switch (frame.type) {
            case "listening": {
                const listening = frame;
                this.#connection.settle();
                this.#isHeard = true;
                if (listening.lang !== this.#heardLang)
                    this.emit("language", listening);
                this.#heardLang = listening.lang;
                this.emit("listening", listening);
                break;
            }
            case "caption":
            case "caption_missing": {
                const caption = frame;
                if (caption.caption_id)
                    this.#after = caption.caption_id;
                if (caption.type === "caption")
                    this.emit("caption", caption);
                else
                    this.emit("caption_missing", caption);
                break;
            }
            case "behind":
                this.emit("behind", frame);
                break;
            case "room_expired":
                this.#connection.end(new LinguaError("ROOM_EXPIRED", frame.message));
                break;
            case "error": {
                const { code, message, details } = frame;
                const error = new LinguaError(code, message, { details });
                this.emit("error", error);
                if (FINAL.has(code))
                    this.#connection.end(error);
                else if (this.#isHeard)
                    break;
                // Nothing comes before the server has said so: it is not to be waited for.
                else if (isTemporary(error))
                    this.#connection.drop(error);
                else
                    this.#connection.end(error);
                break;
            }
            default:
        }
    }
}
function isSame(one, other) {
    return one.speaker_id === other.speaker_id && one.utterance_index === other.utterance_index && one.lang === other.lang;
}
