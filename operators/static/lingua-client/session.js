import { Backlog } from "./backlog.js";
import { CaptionBook } from "./caption.js";
import { Connection } from "./connection.js";
import { Emitter } from "./emitter.js";
import { isTemporary, LinguaError, readSafely } from "./error.js";
import { checkAudio, SAMPLE_RATE, toBase64, toBytes } from "./pcm.js";
import { Pending } from "./pending.js";
import { Queue } from "./queue.js";
import { Room } from "./room.js";
const HEARTBEAT_MS = 20_000;
const SILENT_MS = 50_000;
const CLOSE_WITHIN_MS = 10_000;
// A minute of speech may wait for a socket, or for the server's word that it is safe.
const MOST_BACKLOG_S = 60;
const MOST_UNSENT_BYTES = 256 * 1024;
const MOST_OUTCOMES = 1_000;
const LOOK_MS = 50;
const BURST_MS = 100;
const MOST_BURST = 10;
const PAUSE_MS = 5_000;
// Events of this side: a message by that name is none of them.
const OWN = new Set(["opened", "reconnecting", "closed", "caption", "error", "dropped", "message"]);
/** One who speaks: speech in, captions and spoken translations out. Comes back by itself after a lost socket, and goes on. */
export class Session extends Emitter {
    from;
    to;
    /** Its first opening; fails where it is never opened. */
    opened;
    #options;
    #connection;
    #backlog;
    #book = new CaptionBook();
    #pending = new Pending();
    #outcomes = new Set();
    #isStreaming;
    #id = null;
    #resumeToken;
    #glossary;
    #isBinary = false;
    #hasSaid = false;
    #hasTranslated = false;
    #nextIndex;
    #pausedUntil = 0;
    #state = "connecting";
    #endedBy;
    #room = null;
    #heardAt = 0;
    #beating;
    /** @internal Sessions come from `lingua.session()`. */
    constructor(door, options) {
        super();
        const to = typeof options.to === "string" ? [options.to] : [...(options.to ?? [])];
        if (!options.from || !to.length || !to.every(Boolean))
            throw new LinguaError("BAD_OPTION", 'Say which language is spoken and which is wanted: { from: "en", to: "es" }.');
        if (options.twoWay && to.length > 1)
            throw new LinguaError("BAD_OPTION", "A two-way session has two languages: from, and one to.");
        this.from = options.from;
        this.to = to;
        this.#options = options;
        this.#isStreaming = options.streaming ?? true;
        this.#resumeToken = options.resumeToken ?? "";
        this.#glossary = options.glossary;
        // A session that is gone on with has used numbers of its own: of later ones nobody has.
        this.#nextIndex = options.resumeToken ? Date.now() : 0;
        const rate = options.sampleRate ?? SAMPLE_RATE;
        this.#backlog = new Backlog({ mostBytes: rate * 2 * MOST_BACKLOG_S });
        this.#connection = new Connection(door, "/ws/session", {}, options);
        this.#connection.on("open", () => this.#connection.send(this.#makeInit()));
        this.#connection.on("frame", (frame) => readSafely(frame.type, () => this.#take(frame), (error) => this.emit("error", error)));
        this.#connection.on("reconnecting", (lost) => {
            clearInterval(this.#beating);
            this.#state = this.#state === "connecting" ? "connecting" : "reconnecting";
            this.emit("reconnecting", lost);
        });
        this.#connection.on("closed", ({ error }) => this.#end(error));
        this.opened = this.once("opened");
        // Who does not wait for it is told by `closed`.
        this.opened.catch(() => { });
    }
    /** Its name at the server; `null` before it is opened. */
    get id() {
        return this.#id;
    }
    get state() {
        return this.#state;
    }
    get isOpen() {
        return this.#state === "open";
    }
    /** Shows, in another session, that it goes on with this one. */
    get resumeToken() {
        return this.#resumeToken;
    }
    /** The room it sits in. */
    get room() {
        return this.#room;
    }
    /** Says speech as it is spoken. A pause ends an utterance; so does `endUtterance`. What is said while the socket is away is kept for a minute. */
    say(audio) {
        checkAudio(audio);
        if (audio.byteLength === 0)
            return;
        this.#say(toBytes(audio), false);
    }
    /** Ends what is being said, without waiting for a pause. */
    endUtterance() {
        this.#say(new Uint8Array(0), true);
    }
    /** Says all that a microphone, a `Clip` or a generator gives; slower where the server asks for it. Returns when all is said. */
    async speak(source, { signal } = {}) {
        const over = new AbortController();
        const off = this.#connection.on("closed", () => over.abort());
        const until = signal ? AbortSignal.any([signal, over.signal]) : over.signal;
        const pieces = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
        // A source that gives nothing now does not hold up the end.
        const aborted = new Promise((resolve) => until.addEventListener("abort", () => resolve(null), { once: true }));
        let [since, count] = [Date.now(), 0];
        try {
            while (!until.aborted && !this.#connection.hasEnded) {
                const next = await Promise.race([pieces.next(), aborted]);
                if (next === null || next.done)
                    break;
                await this.ready({ signal: until }).catch(() => { });
                if (!until.aborted)
                    this.say(next.value);
                count += 1;
                if (Date.now() - since > BURST_MS)
                    [since, count] = [Date.now(), 0];
                // A source that never waits would let nobody be heard: not the server, which asks for less.
                else if (count % MOST_BURST === 0)
                    await new Promise((resolve) => setTimeout(resolve, 1));
            }
        }
        finally {
            off();
            void pieces.return?.();
            if (!this.#connection.hasEnded)
                this.endUtterance();
        }
    }
    /** Waits until the server takes speech as fast as it comes: at once, unless it asked for less, or cannot be reached. */
    async ready({ signal } = {}) {
        while (!this.#mayGoOn()) {
            signal?.throwIfAborted();
            if (this.#connection.hasEnded)
                throw closedError();
            await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
        }
    }
    /** Says one whole utterance and waits for what it means. Not in a session in which one also speaks. */
    async translate(audio, { signal, from, to, audioFormat, sampleRate, pipeline, deadlineMs } = {}) {
        checkAudio(audio);
        signal?.throwIfAborted();
        if (this.#hasSaid)
            throw new LinguaError("MIXED_INPUT", "This session is spoken to piece by piece. Open another for whole utterances.");
        if (this.to.length > 1)
            throw new LinguaError("BAD_OPTION", "One answer has one language: open a session with one, or speak and read its captions.");
        await this.opened;
        signal?.throwIfAborted();
        if (this.#connection.hasEnded)
            throw closedError();
        this.#hasTranslated = true;
        const index = this.#nextIndex;
        this.#nextIndex += 1;
        const frame = {
            type: "utterance",
            session_id: this.#id,
            utterance_index: index,
            manual_cut: true,
            src_lang: from ?? this.from,
            tgt_lang: to ?? this.to[0],
            audio: toBase64(audio),
            audio_format: audioFormat ?? this.#options.audioFormat ?? "pcm16",
            sample_rate: sampleRate ?? this.#options.sampleRate ?? SAMPLE_RATE,
            // Said again on another socket it is the same utterance.
            request_id: drawId(),
            trace_id: drawId(),
        };
        if (pipeline)
            frame.pipeline = pipeline;
        if (deadlineMs !== undefined)
            frame.deadline_ms = deadlineMs;
        const answer = this.#pending.wait(frame);
        const cancel = () => this.#pending.cancel(index, signal?.reason) && this.cancel(index);
        signal?.addEventListener("abort", cancel, { once: true });
        if (this.isOpen)
            this.#connection.send(frame);
        try {
            return await answer;
        }
        finally {
            signal?.removeEventListener("abort", cancel);
        }
    }
    /** No answer to an utterance is wanted any more; without an index, to what is being said. */
    cancel(utteranceIndex) {
        if (utteranceIndex === undefined)
            this.#backlog.clear();
        if (this.isOpen)
            this.send("utterance_cancel", utteranceIndex === undefined ? {} : { utterance_index: utteranceIndex });
    }
    /** The words that matter from now on. */
    setGlossary(words) {
        this.#glossary = words;
        if (this.isOpen)
            this.send("session_update", { glossary: [...words] });
    }
    /** Captions as they grow, of all who are heard here. A reader who is slow gets the newest of each. */
    captions({ signal } = {}) {
        const queue = new Queue({ most: MOST_OUTCOMES, signal });
        const offs = [
            this.on("caption", (caption) => queue.replace(caption, (other) => other.id === caption.id)),
            this.on("closed", ({ error }) => queue.end(error)),
        ];
        queue.onEnd = () => offs.forEach((off) => off());
        if (this.#state === "closed")
            queue.end(this.#endedBy);
        return queue;
    }
    /** Opens a room and takes a seat in it. */
    createRoom(seat = {}) {
        return this.#enter(seat, null);
    }
    /** Takes a seat in a room whose code one knows. */
    joinRoom(code, seat = {}) {
        return this.#enter(seat, code);
    }
    /** Says any message of the protocol; the session's name is added where it wants one. Returns whether it was sent. */
    send(type, fields) {
        return this.isOpen && this.#connection.send({ type, session_id: this.#id, ...fields });
    }
    /** Ends it: what is being said is cut, and what the server has is still told. */
    async close({ reason = "done" } = {}) {
        if (this.#connection.hasEnded)
            return;
        if (this.send("session_close", { reason })) {
            // A socket that is lost meanwhile is not worth another.
            const lost = new AbortController();
            this.on("reconnecting", () => lost.abort());
            const signal = AbortSignal.any([AbortSignal.timeout(CLOSE_WITHIN_MS), lost.signal]);
            await this.once("session_close_ack", { signal }).catch(() => { });
        }
        this.#connection.end();
    }
    async #enter(seat, code) {
        await this.opened;
        const room = await Room.enter(this, seat, code);
        this.#room = room;
        room.on("left", () => {
            if (this.#room === room)
                this.#room = null;
        });
        return room;
    }
    #say(bytes, isFinal) {
        if (this.#connection.hasEnded)
            throw closedError();
        if (this.#hasTranslated)
            throw new LinguaError("MIXED_INPUT", "This session says whole utterances. Open another to speak piece by piece.");
        this.#hasSaid = true;
        const { chunk, droppedBytes } = this.#backlog.add(bytes, isFinal);
        if (droppedBytes)
            this.emit("dropped", { bytes: droppedBytes });
        if (this.isOpen)
            this.#sendChunk(chunk);
    }
    #sendChunk({ seq, bytes, isFinal }) {
        if (this.#isBinary)
            this.#connection.send(encodeChunk(this.#id, seq, bytes, isFinal));
        else
            this.send("audio_chunk", { seq, is_final: isFinal, ...(bytes.length ? { payload: toBase64(bytes) } : {}) });
        // Nobody acknowledges it: what was sent is gone.
        if (!this.#isStreaming)
            this.#backlog.forget(seq);
    }
    #mayGoOn() {
        if (!this.isOpen)
            return !this.#connection.hasEnded && this.#backlog.fullness < 0.5;
        return Date.now() >= this.#pausedUntil && this.#connection.unsentBytes < MOST_UNSENT_BYTES && this.#backlog.fullness < 0.9;
    }
    #makeInit() {
        const { audioFormat, sampleRate, among, twoWay, speech, context, deadlineMs, pairingCode, features, dialect, tenant, client, platform, traceparent } = this.#options;
        const [first, ...others] = this.to;
        const init = {
            type: "session_init",
            client_version: client ?? "lingua-client/0.1",
            platform: platform ?? ("document" in globalThis ? "web" : "node"),
            src_lang: this.from,
            tgt_lang: first,
            tgt_langs: others.length ? others : undefined,
            audio_format: audioFormat ?? "pcm16",
            // Of Opus the packets say it.
            sample_rate: audioFormat === "opus" ? undefined : (sampleRate ?? SAMPLE_RATE),
            mode: twoWay ? "two_way_auto" : undefined,
            lang_a: twoWay ? this.from : undefined,
            lang_b: twoWay ? first : undefined,
            auto_langs: among ? [...among] : undefined,
            enable_streaming: this.#isStreaming,
            enable_streaming_tts: this.#isStreaming && speech === true,
            glossary: this.#glossary ? [...this.#glossary] : undefined,
            enable_context: context,
            deadline_ms: deadlineMs,
            // A code is good once.
            pairing_code: this.#id === null ? pairingCode : undefined,
            features,
            dialect,
            tenant_id: tenant,
            traceparent,
            resume_token: this.#resumeToken,
        };
        return init;
    }
    #take(frame) {
        this.#heardAt = Date.now();
        switch (frame.type) {
            case "session_init_ack":
                this.#open(frame);
                break;
            case "error":
                this.#refuse(frame);
                break;
            case "audio_ack":
                this.#backlog.forget(frame["seq"]);
                break;
            case "backpressure":
                this.#pausedUntil = Date.now() + (frame.resume_after_ms ?? PAUSE_MS);
                break;
            case "translation_result":
            case "missing_result":
                // What was told before, on the socket that is lost, is not told twice.
                if (!this.#isNew(frame))
                    return;
                break;
            default:
        }
        this.emit("message", frame);
        if (!OWN.has(frame.type))
            this.emit(frame.type, frame);
        this.#tellCaptions(frame);
    }
    #open(opened) {
        const isAnother = this.#id !== null && this.#id !== opened.session_id;
        this.#id = opened.session_id;
        this.#resumeToken = opened.resume_token ?? this.#resumeToken;
        this.#isBinary = opened.use_binary_frame === true;
        this.#state = "open";
        this.#connection.settle();
        this.#pausedUntil = 0;
        if (opened.resumed)
            this.#backlog.forget(opened.acked_seq ?? -1);
        clearInterval(this.#beating);
        this.#beating = setInterval(() => this.#beat(), HEARTBEAT_MS);
        // A session of another day is gone on with: its numbers are used.
        if (isAnother)
            this.#outcomes.clear();
        for (const chunk of this.#backlog.list())
            this.#sendChunk(chunk);
        for (const frame of this.#pending.list(opened.session_id))
            this.#connection.send(frame);
        this.emit("opened", opened);
    }
    #beat() {
        if (Date.now() - this.#heardAt > SILENT_MS)
            this.#connection.drop(new LinguaError("UNREACHABLE", "The server says nothing any more."));
        else
            this.send("client_heartbeat", { timestamp: Date.now() });
    }
    #refuse({ code, message, details, trace_id: traceId }) {
        const error = new LinguaError(code, message, { details, traceId });
        this.#pending.refuse(error);
        this.emit("error", error);
        if (this.#state === "open")
            return;
        // Without an opened session nothing is left to go on with.
        if (isTemporary(error))
            this.#connection.drop(error);
        else
            this.#connection.end(error);
    }
    #isNew(outcome) {
        const key = `${outcome.session_id}/${outcome.utterance_index}/${outcome.tgt_lang ?? ""}`;
        const isNew = !this.#outcomes.has(key);
        this.#outcomes.add(key);
        if (this.#outcomes.size > MOST_OUTCOMES)
            this.#outcomes.delete(this.#outcomes.keys().next().value);
        if (outcome.session_id === this.#id && this.to.length === 1 && !this.#room)
            this.send("result_ack", { utterance_index: outcome.utterance_index });
        if (isNew && outcome.type === "translation_result")
            this.#pending.answer(outcome);
        if (isNew && outcome.type === "missing_result")
            this.#pending.miss(outcome);
        return isNew;
    }
    #tellCaptions(frame) {
        const lang = this.#room?.lang ?? this.to[0];
        for (const caption of this.#book.take(frame, lang))
            this.emit("caption", caption);
    }
    #end(error) {
        clearInterval(this.#beating);
        this.#state = "closed";
        this.#endedBy = error;
        this.#pending.end(error ?? closedError());
        this.emit("closed", { error });
        this.finish(error);
    }
}
/** A name nobody else draws; `crypto.randomUUID` is for pages of https alone. */
function drawId() {
    return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
function closedError() {
    return new LinguaError("SESSION_CLOSED", "The session is closed.");
}
/** As protocol.md 3.3 has it: a kind, the session's name, the number, the clock, and the audio. */
function encodeChunk(sessionId, seq, audio, isFinal) {
    const name = new TextEncoder().encode(sessionId);
    const isMarker = isFinal && audio.length === 0;
    const head = isMarker ? 10 : 12;
    const frame = new Uint8Array(head + name.length + audio.length);
    const view = new DataView(frame.buffer);
    view.setUint8(0, isMarker ? 0x02 : 0x01);
    view.setUint8(1, name.length);
    view.setUint32(2, seq, true);
    view.setUint32(6, Date.now() >>> 0, true);
    if (!isMarker)
        view.setUint8(10, isFinal ? 1 : 0);
    frame.set(name, head);
    frame.set(audio, head + name.length);
    return frame;
}
