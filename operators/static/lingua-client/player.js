import { Emitter } from "./emitter.js";
import { SAMPLE_RATE, toFloats } from "./pcm.js";
import { readSpeech } from "./wav.js";
const MOST_SPOKEN = 200;
/** Plays speech piece after piece, in the order in which it was given; a piece belongs to somebody who may take it back. */
export class Player extends Emitter {
    #queued = new Set();
    #spoken = new Map();
    #context;
    constructor({ context } = {}) {
        super();
        this.#context = context;
    }
    /** The one clock of sound, made when it is first needed: browsers want to see a hand before. */
    get context() {
        this.#context ??= new AudioContext();
        if (this.#context.state === "suspended")
            void this.#context.resume();
        return this.#context;
    }
    /** Whether anything is heard, or about to be. */
    get isPlaying() {
        return this.#queued.size > 0;
    }
    /** Plays samples, 16,000 a second, behind all that was given before. */
    play(samples, owner = null) {
        const { context } = this;
        const buffer = context.createBuffer(1, Math.max(1, samples.length), SAMPLE_RATE);
        buffer.copyToChannel(toFloats(samples), 0);
        const source = context.createBufferSource();
        source.buffer = buffer;
        source.connect(context.destination);
        const begins = Math.max(context.currentTime, ...[...this.#queued].map(({ ends }) => ends));
        const piece = { source, owner, ends: begins + buffer.duration };
        this.#queued.add(piece);
        const ended = new Promise((resolve) => {
            source.onended = () => {
                this.#queued.delete(piece);
                resolve();
            };
        });
        source.start(begins);
        return { inMs: (begins - context.currentTime) * 1000, ended };
    }
    /** Stops what belongs to somebody; without an owner, everything. */
    stop(owner = null) {
        for (const piece of this.#queued) {
            if (owner !== null && piece.owner !== owner)
                continue;
            this.#queued.delete(piece);
            piece.source.stop();
        }
    }
    /** Plays the translations of a session as they come: clause by clause where they come so, else whole. */
    follow(session, { signal } = {}) {
        const offs = [
            session.on("tts_chunk", (clause) => this.#sayClause(clause), { signal }),
            session.on("translation_result", (result) => this.#sayRest(session, result), { signal }),
        ];
        return () => offs.forEach((off) => off());
    }
    #sayClause({ session_id, utterance_index, tgt_lang = "", attempt_id: attempt, seq, audio, tts_format: format }) {
        const key = `${session_id}/${utterance_index}/${tgt_lang}`;
        const spoken = this.#spoken.get(key) ?? { attempt, clauses: 0 };
        this.#spoken.set(key, spoken);
        if (this.#spoken.size > MOST_SPOKEN)
            this.#spoken.delete(this.#spoken.keys().next().value);
        if (attempt < spoken.attempt)
            return;
        if (attempt > spoken.attempt) {
            this.stop(key);
            Object.assign(spoken, { attempt, clauses: 0 });
        }
        // One that does not follow the last is left to the result.
        if (seq !== spoken.clauses)
            return;
        if (this.#say(audio, format, key))
            spoken.clauses += 1;
    }
    #sayRest(session, result) {
        const { session_id, utterance_index, tgt_lang = "", tts_audio: audio, tts_format: format, tts_chunks: chunks = 0, trace_id, group_id } = result;
        const key = `${session_id}/${utterance_index}/${tgt_lang}`;
        const clauses = this.#spoken.get(key)?.clauses ?? 0;
        this.#spoken.delete(key);
        if (!audio || (clauses > 0 && clauses === chunks))
            return;
        this.stop(key);
        const playing = this.#say(audio, format, key);
        if (!playing || group_id === undefined)
            return;
        // While somebody listens a pause of theirs cuts nothing.
        session.send("tts_started", { trace_id, group_id, ts_start_ms: Date.now() });
        void playing.ended.then(() => session.send("tts_play_ended", { trace_id, group_id, ts_end_ms: Date.now() }));
    }
    #say(audio, format, owner) {
        const samples = readSpeech(audio, format);
        if (!samples?.length) {
            if (!samples)
                this.emit("unplayable", { format });
            return null;
        }
        return this.play(samples, owner);
    }
}
