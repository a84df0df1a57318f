import { Emitter } from "./emitter.js";
import { LinguaError } from "./error.js";
const ANSWER_WITHIN_MS = 15_000;
/** A room one speaks in: what its members say comes as captions and results of the session. */
export class Room extends Emitter {
    code;
    id;
    /** Whether it was opened here, and may be ended here. */
    isOwn;
    #session;
    #seat;
    #left = new AbortController();
    #members = [];
    constructor(session, seat, { room_code: code, room_id: id }, isOwn) {
        super();
        this.code = code;
        this.id = id;
        this.isOwn = isOwn;
        this.#session = session;
        this.#seat = { ...seat };
        const { signal } = this.#left;
        session.on("room_members", (message) => this.#show(message), { signal });
        session.on("room_error", (refused) => this.emit("error", toError(refused)), { signal });
        session.on("room_expired", ({ message }) => this.#end(new LinguaError("ROOM_EXPIRED", message)), { signal });
        session.on("closed", ({ error }) => this.#end(error), { signal });
        session.on("opened", ({ resumed }) => {
            // A session that goes on keeps its seat; another one needs a new one.
            if (!resumed)
                session.send("room_join", { room_code: this.code, ...writeSeat(this.#seat) });
        }, { signal });
    }
    /** @internal Rooms come from `session.createRoom()` and `session.joinRoom()`. */
    static async enter(session, seat, code) {
        const over = new AbortController();
        const { signal } = over;
        const entered = new Promise((resolve, reject) => {
            session.on("room_create_ack", (created) => resolve(new Room(session, seat, created, code === null)), { signal });
            session.on("room_error", (refused) => reject(toError(refused)), { signal });
            session.on("error", reject, { signal });
            session.on("closed", ({ error }) => reject(error ?? new LinguaError("SESSION_CLOSED", "The session is closed.")), { signal });
            session.on("opened", () => ask(), { signal });
            const patience = setTimeout(() => reject(new LinguaError("NO_ANSWER", "The server says nothing of the room.")), ANSWER_WITHIN_MS);
            signal.addEventListener("abort", () => clearTimeout(patience));
        });
        const ask = () => {
            if (code === null)
                session.send("room_create", { client_ts: Date.now(), ...writeSeat(seat) });
            else
                session.send("room_join", { room_code: code, ...writeSeat(seat) });
        };
        ask();
        try {
            return await entered;
        }
        finally {
            over.abort();
        }
    }
    get members() {
        return this.#members;
    }
    /** The language one listens in. */
    get lang() {
        return this.#seat.lang;
    }
    get hasLeft() {
        return this.#left.signal.aborted;
    }
    /** Listens in another language from now on. */
    setLanguage(lang) {
        this.#seat.lang = lang;
        this.#session.send("room_language", { room_code: this.code, preferred_lang: lang });
    }
    leave() {
        if (this.hasLeft)
            return;
        this.#session.send("room_leave", { room_code: this.code });
        this.#end(undefined);
    }
    /** Ends it for everybody; only who opened it may. */
    end() {
        this.#session.send("room_end", { room_code: this.code });
    }
    #show({ room_code: code, members }) {
        if (code !== this.code)
            return;
        this.#members = members;
        this.emit("members", members);
    }
    #end(error) {
        if (this.hasLeft)
            return;
        this.#left.abort();
        this.emit("left", { error });
        this.finish(error);
    }
}
function writeSeat({ name, lang }) {
    return { ...(name ? { display_name: name } : {}), ...(lang ? { preferred_lang: lang } : {}) };
}
function toError({ code, message }) {
    return new LinguaError(code, message);
}
