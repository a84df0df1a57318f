import { Door, type DoorOptions, type Ticket, type TicketWish } from "./door.js";
import { type ListenOptions, Listener } from "./listener.js";
import { Session, type SessionOptions } from "./session.js";

export interface LinguaOptions extends DoorOptions {}

/** A Lingua server, as one who speaks or listens sees it. */
export class Lingua {
  readonly #door: Door;

  constructor(options: LinguaOptions = {}) {
    this.#door = new Door(options);
  }

  /** Opens a session. It may be spoken to at once: what is said before it is open is kept. */
  session(options: SessionOptions): Session {
    return new Session(this.#door, options);
  }

  /** Listens in a room, without a session. */
  listen(options: ListenOptions): Listener {
    return new Listener(this.#door, options);
  }

  /** Asks for a ticket: to hand on to a page, or, for a room, to its audience. */
  askTicket(wish: TicketWish = {}): Promise<Ticket> {
    return this.#door.askTicket(wish);
  }
}
