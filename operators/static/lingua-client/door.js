import { LinguaError } from "./error.js";
const FRAGMENT = "Lingua's address is that of its pages, such as https://lingua.example";
/** The way in: where the server is, and who asks. */
export class Door {
    url;
    #options;
    #WebSocket;
    #fetch;
    constructor(options) {
        this.#options = options;
        this.url = readUrl(options.url);
        if (options.token !== undefined && options.ticket !== undefined)
            throw new LinguaError("BAD_OPTION", "Give a token or a ticket, not both.");
        const found = options.WebSocket ?? globalThis.WebSocket;
        if (!found)
            throw new LinguaError("NO_WEBSOCKET", 'Node.js has a WebSocket from 22 on. Before that: npm install ws, then new Lingua({ WebSocket }) with import { WebSocket } from "ws".');
        this.#WebSocket = found;
        this.#fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
    }
    /** Opens a socket at a path; throws what no second try mends as a `LinguaError` other than `UNREACHABLE` and `RATE_LIMITED`. */
    async open(path, wish, signal) {
        const protocols = await this.#findProtocols(wish, signal);
        signal.throwIfAborted();
        const url = new URL(path, this.url);
        url.protocol = this.url.protocol === "https:" ? "wss:" : "ws:";
        return new this.#WebSocket(url.href, protocols);
    }
    async #findProtocols(wish, signal) {
        const { ticket, token } = this.#options;
        if (ticket !== undefined) {
            const shown = typeof ticket === "function" ? await ticket(wish) : ticket;
            return shown ? ["lingua.v1", `lingua.bearer.${shown}`] : [];
        }
        const isOwnPage = globalThis.location?.origin === this.url.origin;
        if (token === undefined && !isOwnPage)
            return [];
        return (await this.askTicket(wish, signal)).subprotocols;
    }
    /** Asks the server for a ticket: with the token, or as whoever is logged in. */
    async askTicket(wish = {}, signal) {
        const { token, headers } = this.#options;
        const sent = { "Content-Type": "application/json", ...(typeof headers === "function" ? headers() : headers) };
        if (token !== undefined)
            sent["Authorization"] = `Bearer ${typeof token === "function" ? await token() : token}`;
        let answer;
        try {
            answer = await this.#fetch(new URL("/api/v1/tickets", this.url), { method: "POST", headers: sent, body: JSON.stringify(wish), signal: signal ?? null });
        }
        catch (cause) {
            signal?.throwIfAborted();
            throw new LinguaError("UNREACHABLE", `${this.url.origin} does not answer.`, { cause });
        }
        if (answer.ok)
            return (await answer.json());
        const said = (await answer.json().catch(() => null));
        const wait = Number(answer.headers.get("Retry-After"));
        const details = { http_status: answer.status, ...(wait > 0 ? { retry_after_ms: wait * 1000 } : {}) };
        const code = { 401: "UNAUTHORIZED", 403: "FORBIDDEN", 429: "RATE_LIMITED" }[answer.status] ?? (answer.status >= 500 ? "UNREACHABLE" : said?.error ?? "FORBIDDEN");
        throw new LinguaError(code, said?.detail ?? `No ticket was given (HTTP ${answer.status}).`, { details });
    }
}
function readUrl(given) {
    const text = given ?? globalThis.location?.origin;
    if (text === undefined)
        throw new LinguaError("BAD_OPTION", `Say where Lingua is: new Lingua({ url }). ${FRAGMENT}.`);
    let url;
    try {
        url = new URL(text);
    }
    catch (cause) {
        throw new LinguaError("BAD_OPTION", `${String(text)} is no address. ${FRAGMENT}.`, { cause });
    }
    // Who has the address of a socket means its server.
    if (url.protocol === "ws:")
        url.protocol = "http:";
    if (url.protocol === "wss:")
        url.protocol = "https:";
    if (url.protocol !== "http:" && url.protocol !== "https:")
        throw new LinguaError("BAD_OPTION", `${url.protocol} is not spoken here. ${FRAGMENT}.`);
    return url;
}
