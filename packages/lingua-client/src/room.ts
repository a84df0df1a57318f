import { Emitter } from "./emitter.js";
import { LinguaError } from "./error.js";
import type { RoomCreated, RoomMember, RoomMembers, RoomRefused } from "./messages.js";
import type { Session } from "./session.js";

/** How one is shown in a room, and the language one listens in. */
export interface SeatOptions {
  name?: string | undefined;
  /** Unless said otherwise the language one's session translates to. */
  lang?: string | undefined;
}

export interface RoomEvents {
  /** Who speaks here, in the order they came; whenever that changes. */
  members: readonly RoomMember[];
  error: LinguaError;
  /** One sits here no more: by oneself, or with the error as the room is over. */
  left: { error: LinguaError | undefined };
}

const ANSWER_WITHIN_MS = 15_000;

/** A room one speaks in: what its members say comes as captions and results of the session. */
export class Room extends Emitter<RoomEvents> {
  readonly code: string;
  readonly id: string;
  /** Whether it was opened here, and may be ended here. */
  readonly isOwn: boolean;
  readonly #session: Session;
  readonly #seat: SeatOptions;
  readonly #left = new AbortController();
  #members: readonly RoomMember[] = [];

  private constructor(session: Session, seat: SeatOptions, { room_code: code, room_id: id }: RoomCreated, isOwn: boolean) {
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
      if (!resumed) session.send("room_join", { room_code: this.code, ...writeSeat(this.#seat) });
    }, { signal });
  }

  /** @internal Rooms come from `session.createRoom()` and `session.joinRoom()`. */
  static async enter(session: Session, seat: SeatOptions, code: string | null): Promise<Room> {
    const over = new AbortController();
    const { signal } = over;
    const entered = new Promise<Room>((resolve, reject) => {
      session.on("room_create_ack", (created) => resolve(new Room(session, seat, created, code === null)), { signal });
      session.on("room_error", (refused) => reject(toError(refused)), { signal });
      session.on("error", reject, { signal });
      session.on("closed", ({ error }) => reject(error ?? new LinguaError("SESSION_CLOSED", "The session is closed.")), { signal });
      session.on("opened", () => ask(), { signal });
      const patience = setTimeout(() => reject(new LinguaError("NO_ANSWER", "The server says nothing of the room.")), ANSWER_WITHIN_MS);
      signal.addEventListener("abort", () => clearTimeout(patience));
    });
    const ask = () => {
      if (code === null) session.send("room_create", { client_ts: Date.now(), ...writeSeat(seat) });
      else session.send("room_join", { room_code: code, ...writeSeat(seat) });
    };
    ask();
    try {
      return await entered;
    } finally {
      over.abort();
    }
  }

  get members(): readonly RoomMember[] {
    return this.#members;
  }

  /** The language one listens in. */
  get lang(): string | undefined {
    return this.#seat.lang;
  }

  get hasLeft(): boolean {
    return this.#left.signal.aborted;
  }

  /** Listens in another language from now on. */
  setLanguage(lang: string): void {
    this.#seat.lang = lang;
    this.#session.send("room_language", { room_code: this.code, preferred_lang: lang });
  }

  leave(): void {
    if (this.hasLeft) return;
    this.#session.send("room_leave", { room_code: this.code });
    this.#end(undefined);
  }

  /** Ends it for everybody; only who opened it may. */
  end(): void {
    this.#session.send("room_end", { room_code: this.code });
  }

  #show({ room_code: code, members }: RoomMembers): void {
    if (code !== this.code) return;
    this.#members = members;
    this.emit("members", members);
  }

  #end(error: LinguaError | undefined): void {
    if (this.hasLeft) return;
    this.#left.abort();
    this.emit("left", { error });
    this.finish(error);
  }
}

function writeSeat({ name, lang }: SeatOptions): { display_name?: string; preferred_lang?: string } {
  return { ...(name ? { display_name: name } : {}), ...(lang ? { preferred_lang: lang } : {}) };
}

function toError({ code, message }: RoomRefused): LinguaError {
  return new LinguaError(code, message);
}
