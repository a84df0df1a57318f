import { LinguaError } from "./error.js";

/** What is asked of a ticket: none of it for a session, a room for who only listens there. */
export interface TicketWish {
  room_code?: string;
  room_id?: string;
}

/** What a WebSocket must be able to do: a browser's, that of Node.js from 22 on, or the package `ws`. */
export interface Socket {
  readonly readyState: number;
  readonly bufferedAmount: number;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: "open", take: () => void): void;
  addEventListener(type: "message", take: (event: { data: unknown }) => void): void;
  addEventListener(type: "close", take: (event: { code: number; reason: string }) => void): void;
  addEventListener(type: "error", take: (event: unknown) => void): void;
}
export type SocketConstructor = new (url: string, protocols?: string[]) => Socket;

export interface DoorOptions {
  /** Where Lingua is, as one opens its pages; in a page of its own that page's origin. */
  url?: string | URL | undefined;
  /** A token with the scope `session`. For programs: a page would show it to whoever looks. */
  token?: string | (() => string | Promise<string>) | undefined;
  /** A ticket, or how to come by one: a page asks its own server, which has the token. */
  ticket?: string | ((wish: TicketWish) => string | null | Promise<string | null>) | undefined;
  /** Sent along when this client asks for tickets itself. */
  headers?: Record<string, string> | (() => Record<string, string>) | undefined;
  /** The WebSocket to use, where there is none or another is wanted. */
  WebSocket?: SocketConstructor | undefined;
  fetch?: typeof fetch | undefined;
}

const FRAGMENT = "Lingua's address is that of its pages, such as https://lingua.example";

/** The way in: where the server is, and who asks. */
export class Door {
  readonly url: URL;
  readonly #options: DoorOptions;
  readonly #WebSocket: SocketConstructor;
  readonly #fetch: typeof fetch;

  constructor(options: DoorOptions) {
    this.#options = options;
    this.url = readUrl(options.url);
    if (options.token !== undefined && options.ticket !== undefined) throw new LinguaError("BAD_OPTION", "Give a token or a ticket, not both.");
    const found = options.WebSocket ?? (globalThis as { WebSocket?: SocketConstructor }).WebSocket;
    if (!found) throw new LinguaError("NO_WEBSOCKET", 'Node.js has a WebSocket from 22 on. Before that: npm install ws, then new Lingua({ WebSocket }) with import { WebSocket } from "ws".');
    this.#WebSocket = found;
    this.#fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
  }

  /** Opens a socket at a path; throws what no second try mends as a `LinguaError` other than `UNREACHABLE` and `RATE_LIMITED`. */
  async open(path: string, wish: TicketWish, signal: AbortSignal): Promise<Socket> {
    const protocols = await this.#findProtocols(wish, signal);
    signal.throwIfAborted();
    const url = new URL(path, this.url);
    url.protocol = this.url.protocol === "https:" ? "wss:" : "ws:";
    return new this.#WebSocket(url.href, protocols);
  }

  async #findProtocols(wish: TicketWish, signal: AbortSignal): Promise<string[]> {
    const { ticket, token } = this.#options;
    if (ticket !== undefined) {
      const shown = typeof ticket === "function" ? await ticket(wish) : ticket;
      return shown ? ["lingua.v1", `lingua.bearer.${shown}`] : [];
    }
    const isOwnPage = (globalThis as { location?: Location }).location?.origin === this.url.origin;
    if (token === undefined && !isOwnPage) return [];
    return (await this.askTicket(wish, signal)).subprotocols;
  }

  /** Asks the server for a ticket: with the token, or as whoever is logged in. */
  async askTicket(wish: TicketWish = {}, signal?: AbortSignal): Promise<Ticket> {
    const { token, headers } = this.#options;
    const sent: Record<string, string> = { "Content-Type": "application/json", ...(typeof headers === "function" ? headers() : headers) };
    if (token !== undefined) sent["Authorization"] = `Bearer ${typeof token === "function" ? await token() : token}`;
    let answer: Response;
    try {
      answer = await this.#fetch(new URL("/api/v1/tickets", this.url), { method: "POST", headers: sent, body: JSON.stringify(wish), signal: signal ?? null });
    } catch (cause) {
      signal?.throwIfAborted();
      throw new LinguaError("UNREACHABLE", `${this.url.origin} does not answer.`, { cause });
    }
    if (answer.ok) return (await answer.json()) as Ticket;
    const said = (await answer.json().catch(() => null)) as { detail?: string; error?: string } | null;
    const wait = Number(answer.headers.get("Retry-After"));
    const details = { http_status: answer.status, ...(wait > 0 ? { retry_after_ms: wait * 1000 } : {}) };
    const code = { 401: "UNAUTHORIZED", 403: "FORBIDDEN", 429: "RATE_LIMITED" }[answer.status] ?? (answer.status >= 500 ? "UNREACHABLE" : said?.error ?? "FORBIDDEN");
    throw new LinguaError(code, said?.detail ?? `No ticket was given (HTTP ${answer.status}).`, { details });
  }
}

export interface Ticket {
  /** `null` where no login is on. */
  ticket: string | null;
  expires_at_ms: number | null;
  subprotocols: string[];
}

function readUrl(given: string | URL | undefined): URL {
  const text = given ?? (globalThis as { location?: Location }).location?.origin;
  if (text === undefined) throw new LinguaError("BAD_OPTION", `Say where Lingua is: new Lingua({ url }). ${FRAGMENT}.`);
  let url: URL;
  try {
    url = new URL(text);
  } catch (cause) {
    throw new LinguaError("BAD_OPTION", `${String(text)} is no address. ${FRAGMENT}.`, { cause });
  }
  // Who has the address of a socket means its server.
  if (url.protocol === "ws:") url.protocol = "http:";
  if (url.protocol === "wss:") url.protocol = "https:";
  if (url.protocol !== "http:" && url.protocol !== "https:") throw new LinguaError("BAD_OPTION", `${url.protocol} is not spoken here. ${FRAGMENT}.`);
  return url;
}
