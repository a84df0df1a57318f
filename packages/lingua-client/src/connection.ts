import type { Door, Socket, TicketWish } from "./door.js";
import { Emitter } from "./emitter.js";
import { LinguaError } from "./error.js";

/** Any message of the server's. */
export interface Frame {
  type: string;
  [field: string]: unknown;
}

/** The socket is gone and will be opened anew. */
export interface Reconnecting {
  /** The so many-th try since it was open last. */
  attempt: number;
  inMs: number;
  /** How the socket was closed; 0 where it never opened. */
  closeCode: number;
  error: LinguaError;
}

interface ConnectionEvents {
  open: undefined;
  frame: Frame;
  reconnecting: Reconnecting;
  closed: { error: LinguaError | undefined };
}

export interface ConnectionOptions {
  /** How often to try before the first success; afterwards it is tried for ever. */
  firstTries?: number | undefined;
  /** `false`: the first loss is the end. */
  reconnect?: boolean | undefined;
  /** Ends it at once. */
  signal?: AbortSignal | undefined;
}

const OPEN = 1;
const FIRST_WAIT_MS = 300;
const LONGEST_WAIT_MS = 15_000;
// The server closed it for what was sent too fast: it wants to be left alone for longer.
const SLOW_WAIT_MS = 5_000;
const SLOWEST_WAIT_MS = 60_000;
const OPEN_WITHIN_MS = 15_000;
const FIRST_TRIES = 5;
const SLOW_CLOSES = new Set([1008, 4429]);
const FINAL_CLOSES = new Map<number, [code: string, message: string]>([
  [1009, ["FRAME_TOO_LARGE", "The server takes no frame that long."]],
  [4403, ["FORBIDDEN", "The credential does not allow this."]],
  [4409, ["REPLACED", "Another socket goes on with this."]],
]);

/** One socket after another, for as long as somebody wants it. */
export class Connection extends Emitter<ConnectionEvents> {
  readonly #door: Door;
  readonly #path: string;
  readonly #wish: TicketWish;
  readonly #options: ConnectionOptions;
  readonly #ended = new AbortController();
  #socket: Socket | null = null;
  #attempt = 0;
  #wasOpen = false;
  #refusals = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(door: Door, path: string, wish: TicketWish, options: ConnectionOptions) {
    super();
    this.#door = door;
    this.#path = path;
    this.#wish = wish;
    this.#options = options;
    // Whoever made it listens by then.
    queueMicrotask(() => {
      const { signal } = options;
      if (signal?.aborted) this.end();
      else signal?.addEventListener("abort", () => this.end(), { once: true, signal: this.#ended.signal });
      globalThis.addEventListener?.("online", () => this.#hurry(), { signal: this.#ended.signal });
      void this.#open();
    });
  }

  get isOpen(): boolean {
    return this.#socket?.readyState === OPEN;
  }

  get hasEnded(): boolean {
    return this.#ended.signal.aborted;
  }

  /** Bytes that were said and have not left this machine. */
  get unsentBytes(): number {
    return this.isOpen ? (this.#socket as Socket).bufferedAmount : 0;
  }

  /** Says whether it was sent. */
  send(frame: object | Uint8Array<ArrayBuffer>): boolean {
    if (!this.isOpen) return false;
    (this.#socket as Socket).send(frame instanceof Uint8Array ? frame : JSON.stringify(frame));
    return true;
  }

  /** The server has taken whoever asks: what went wrong before counts no more. */
  settle(): void {
    clearTimeout(this.#timer);
    this.#wasOpen = true;
    this.#attempt = this.#refusals = 0;
  }

  /** Gives a socket up that says nothing any more. */
  drop(error: LinguaError): void {
    const socket = this.#socket;
    if (!socket) return;
    this.#socket = null;
    socket.close();
    this.#retry(0, error);
  }

  end(error?: LinguaError): void {
    if (this.hasEnded) return;
    clearTimeout(this.#timer);
    this.#ended.abort();
    this.#socket?.close(1000);
    this.#socket = null;
    this.emit("closed", { error });
    this.finish(error);
  }

  async #open(): Promise<void> {
    if (this.hasEnded) return;
    let socket: Socket;
    try {
      socket = await this.#door.open(this.#path, this.#wish, this.#ended.signal);
    } catch (cause) {
      if (this.hasEnded) return;
      const error = cause instanceof LinguaError ? cause : new LinguaError("UNREACHABLE", `No ticket was had: ${String(cause)}`, { cause });
      if (error.code === "UNREACHABLE" || error.code === "RATE_LIMITED") this.#retry(0, error);
      else this.end(error);
      return;
    }
    if (this.hasEnded) {
      socket.close();
      return;
    }
    this.#socket = socket;
    const isCurrent = () => this.#socket === socket;
    this.#timer = setTimeout(() => isCurrent() && this.drop(new LinguaError("UNREACHABLE", `${this.#door.url.origin} does not answer.`)), OPEN_WITHIN_MS);
    socket.addEventListener("open", () => isCurrent() && this.emit("open", undefined));
    socket.addEventListener("message", ({ data }) => isCurrent() && this.#take(data));
    // What it was is told by the close that follows.
    socket.addEventListener("error", () => {});
    socket.addEventListener("close", ({ code, reason }) => {
      if (!isCurrent()) return;
      this.#socket = null;
      this.#lose(code, reason);
    });
  }

  #take(data: unknown): void {
    if (typeof data !== "string") return;
    let frame: unknown;
    try {
      frame = JSON.parse(data);
    } catch {
      return;
    }
    if (typeof (frame as Frame | null)?.type === "string") this.emit("frame", frame as Frame);
  }

  #lose(code: number, reason: string): void {
    const final = FINAL_CLOSES.get(code);
    if (final) {
      this.end(new LinguaError(final[0], reason ? `${final[1]} (${reason})` : final[1], { details: { close_code: code } }));
    } else if (code === 4401) {
      // A ticket may have been too old; a fresh one that is refused, too, says that there is no way in.
      this.#refusals += 1;
      const error = new LinguaError("UNAUTHORIZED", "The credential is not valid, or not any more.", { details: { close_code: code } });
      if (this.#refusals > 1) this.end(error);
      else this.#retry(code, error);
    } else {
      const how = `${code}${reason ? `, ${reason}` : ""}`;
      // Programs are not told why a socket does not open.
      const why = this.#wasOpen ? `The socket was closed (${how}).` : `No socket opens (${how}): the server is away, or wants a token or a ticket.`;
      this.#retry(code, new LinguaError("UNREACHABLE", why));
    }
  }

  #retry(closeCode: number, error: LinguaError): void {
    if (this.hasEnded) return;
    clearTimeout(this.#timer);
    this.#attempt += 1;
    const { reconnect = true, firstTries = FIRST_TRIES } = this.#options;
    if (this.#wasOpen ? !reconnect : this.#attempt >= firstTries) {
      this.end(error);
      return;
    }
    const [first, longest] = SLOW_CLOSES.has(closeCode) ? [SLOW_WAIT_MS, SLOWEST_WAIT_MS] : [FIRST_WAIT_MS, LONGEST_WAIT_MS];
    const wait = Math.min(longest, first * 2 ** (this.#attempt - 1)) * (0.5 + Math.random() / 2);
    const inMs = Math.round(Math.max(wait, error.retryAfterMs ?? 0));
    this.#timer = setTimeout(() => void this.#open(), inMs);
    this.emit("reconnecting", { attempt: this.#attempt, inMs, closeCode, error });
  }

  /** The machine has a network again. */
  #hurry(): void {
    if (this.#socket || this.hasEnded || this.#attempt === 0) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#open(), 0);
  }
}
