import { Door } from "./door.js";
import { Listener } from "./listener.js";
import { Session } from "./session.js";
/** A Lingua server, as one who speaks or listens sees it. */
export class Lingua {
    #door;
    constructor(options = {}) {
        this.#door = new Door(options);
    }
    /** Opens a session. It may be spoken to at once: what is said before it is open is kept. */
    session(options) {
        return new Session(this.#door, options);
    }
    /** Listens in a room, without a session. */
    listen(options) {
        return new Listener(this.#door, options);
    }
    /** Asks for a ticket: to hand on to a page, or, for a room, to its audience. */
    askTicket(wish = {}) {
        return this.#door.askTicket(wish);
    }
}
