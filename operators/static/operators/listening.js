// Listens in a room: in one language, which may change at any time; comes back by itself and misses nothing it can still get.
import { t } from "./words.js";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;
// What no further try mends.
const FINAL = new Set(["ROOM_NOT_FOUND", "FORBIDDEN", "ROOM_FULL"]);
const WHY_CLOSED = {
  4401: t("This link is not valid any more. Ask for a new one."),
  4403: t("This link is for another room. Ask for the right one."),
};

export class Listening extends EventTarget {
  // `findTicket` gives the subprotocols to open a socket with: a ticket, or none where none is needed.
  constructor({ roomCode, lang, findTicket }) {
    super();
    Object.assign(this, { roomCode, lang, findTicket, after: null, waitMs: FIRST_WAIT_MS, isOver: false });
    this.connect();
  }

  async connect() {
    let offered;
    try {
      offered = await this.findTicket();
    } catch (error) {
      this.end(error.message);
      return;
    }
    if (this.isOver) return;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.socket = new WebSocket(`${scheme}://${location.host}/ws/listen`, offered);
    this.socket.addEventListener("open", () => this.ask());
    this.socket.addEventListener("message", ({ data }) => this.take(JSON.parse(data)));
    this.socket.addEventListener("close", ({ code }) => {
      if (this.isOver) return;
      if (WHY_CLOSED[code]) {
        this.end(WHY_CLOSED[code]);
        return;
      }
      this.tell("lost");
      setTimeout(() => !this.isOver && this.connect(), this.waitMs * (0.5 + Math.random()));
      this.waitMs = Math.min(LONGEST_WAIT_MS, this.waitMs * 2);
    });
  }

  ask() {
    this.send({ type: "listen", room_code: this.roomCode, lang: this.lang, after: this.after ?? undefined });
  }

  take(message) {
    if (message.type === "listening") this.waitMs = FIRST_WAIT_MS;
    if (message.type === "listening" && message.lang !== this.heardLang) {
      this.heardLang = message.lang;
      this.tell("language", message);
    }
    if (message.caption_id) this.after = message.caption_id;
    if (message.type === "room_expired") this.end(message.message);
    else if (message.type === "error" && FINAL.has(message.code)) this.end(message.message);
    else this.tell(message.type, message);
  }

  setLanguage(lang) {
    Object.assign(this, { lang, after: null });
    this.send({ type: "set_language", lang });
  }

  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  end(why) {
    if (this.isOver) return;
    this.close();
    this.tell("over", { why });
  }

  close() {
    this.isOver = true;
    this.socket?.close();
  }

  tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

// A ticket of one's own: for who is logged in; where no login is on, none is needed.
export async function askTicket(wish = {}) {
  const answer = await fetch("/api/v1/tickets", {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRFToken": document.querySelector('meta[name="csrf-token"]').content },
    body: JSON.stringify(wish),
  });
  if (!answer.ok) throw new Error(t("You may not come in here (HTTP {status}). Ask for a link, or log in.", { status: answer.status }));
  return answer.json();
}
