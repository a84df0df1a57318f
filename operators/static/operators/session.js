// One session with the scheduler: say something, be told what became of it.
import { t } from "./words.js";

// A ticket opens one session where a login is on; elsewhere none is needed.
async function askTickets() {
  const answer = await fetch("/api/v1/tickets", {
    method: "POST",
    headers: { "X-CSRFToken": document.querySelector('meta[name="csrf-token"]').content },
  });
  if (!answer.ok) throw new Error(t("You may not open a session (HTTP {status}).", { status: answer.status }));
  return (await answer.json()).subprotocols;
}

export class Session extends EventTarget {
  // `isAloud` asks for the translation's speech clause by clause, while the rest is being said; a `pairingCode` for one's
  // own node and no other. `resumeToken` goes on with an earlier session; empty, this one can be gone on with.
  constructor({ src, tgt, isAloud, pairingCode = "", resumeToken }) {
    super();
    Object.assign(this, { src, tgt, isAloud, pairingCode, resumeToken, id: null, seq: 0 });
    this.connect().catch((error) => {
      this.tell("error", { code: "NO_TICKET", message: error.message });
      this.tell("closed");
    });
  }

  get isOpen() { return this.id !== null && this.socket.readyState === WebSocket.OPEN; }

  async connect() {
    const { src, tgt } = this;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const tickets = await askTickets();
    if (this.isClosed) return;
    this.socket = new WebSocket(`${scheme}://${location.host}/ws/session`, tickets);
    this.socket.addEventListener("open", () => this.send({
      type: "session_init", client_version: "talk-2", platform: "web", src_lang: src, tgt_lang: tgt,
      audio_format: "pcm16", sample_rate: 16000, enable_streaming: true, enable_streaming_tts: this.isAloud,
      pairing_code: this.pairingCode || undefined, resume_token: this.resumeToken,
    }));
    this.socket.addEventListener("message", (event) => this.take(JSON.parse(event.data)));
    this.socket.addEventListener("close", () => {
      clearInterval(this.beating);
      this.tell("closed");
    });
  }

  take(message) {
    if (message.type === "session_init_ack") {
      this.id = message.session_id;
      this.resumeToken = message.resume_token;
      this.beating = setInterval(() => this.send({ type: "client_heartbeat", session_id: this.id, timestamp: Date.now() }), 20000);
      this.tell("opened", message);
    } else {
      this.tell(message.type, message);
    }
  }

  tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  // A piece of speech as it is spoken. A pause ends an utterance, and so does a last piece without audio. The server says
  // its index: long speech makes several utterances, and silence none.
  stream(audio, { isFinal = false } = {}) {
    this.send({ type: "audio_chunk", session_id: this.id, seq: this.seq, is_final: isFinal, payload: audio ?? undefined });
    this.seq += 1;
  }

  close() {
    this.isClosed = true;
    this.send({ type: "session_close", session_id: this.id, reason: "page" });
    this.socket?.close();
  }
}
