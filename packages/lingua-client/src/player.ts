import { Emitter, type Off, type Until } from "./emitter.js";
import type { ClauseSaid, TranslationResult } from "./messages.js";
import { SAMPLE_RATE, toFloats } from "./pcm.js";
import type { Session } from "./session.js";
import { readSpeech } from "./wav.js";

/** A piece that is being played, or waits for its turn. */
export interface Playing {
  /** In how many milliseconds it is heard. */
  inMs: number;
  /** When it was heard to its end, or stopped. */
  ended: Promise<void>;
}

export interface PlayerEvents {
  /** Speech came in a form that cannot be played here. */
  unplayable: { format: string };
}

interface Piece {
  source: AudioBufferSourceNode;
  owner: unknown;
  ends: number;
}

interface Spoken {
  attempt: number;
  clauses: number;
}

const MOST_SPOKEN = 200;

/** Plays speech piece after piece, in the order in which it was given; a piece belongs to somebody who may take it back. */
export class Player extends Emitter<PlayerEvents> {
  readonly #queued = new Set<Piece>();
  readonly #spoken = new Map<string, Spoken>();
  #context: AudioContext | undefined;

  constructor({ context }: { context?: AudioContext | undefined } = {}) {
    super();
    this.#context = context;
  }

  /** The one clock of sound, made when it is first needed: browsers want to see a hand before. */
  get context(): AudioContext {
    this.#context ??= new AudioContext();
    if (this.#context.state === "suspended") void this.#context.resume();
    return this.#context;
  }

  /** Whether anything is heard, or about to be. */
  get isPlaying(): boolean {
    return this.#queued.size > 0;
  }

  /** Plays samples, 16,000 a second, behind all that was given before. */
  play(samples: Int16Array, owner: unknown = null): Playing {
    const { context } = this;
    const buffer = context.createBuffer(1, Math.max(1, samples.length), SAMPLE_RATE);
    buffer.copyToChannel(toFloats(samples), 0);
    const source = context.createBufferSource();
    source.buffer = buffer;
    source.connect(context.destination);
    const begins = Math.max(context.currentTime, ...[...this.#queued].map(({ ends }) => ends));
    const piece = { source, owner, ends: begins + buffer.duration };
    this.#queued.add(piece);
    const ended = new Promise<void>((resolve) => {
      source.onended = () => {
        this.#queued.delete(piece);
        resolve();
      };
    });
    source.start(begins);
    return { inMs: (begins - context.currentTime) * 1000, ended };
  }

  /** Stops what belongs to somebody; without an owner, everything. */
  stop(owner: unknown = null): void {
    for (const piece of this.#queued) {
      if (owner !== null && piece.owner !== owner) continue;
      this.#queued.delete(piece);
      piece.source.stop();
    }
  }

  /** Plays the translations of a session as they come: clause by clause where they come so, else whole. */
  follow(session: Session, { signal }: Until = {}): Off {
    const offs = [
      session.on("tts_chunk", (clause) => this.#sayClause(clause), { signal }),
      session.on("translation_result", (result) => this.#sayRest(session, result), { signal }),
    ];
    return () => offs.forEach((off) => off());
  }

  #sayClause({ session_id, utterance_index, tgt_lang = "", attempt_id: attempt, seq, audio, tts_format: format }: ClauseSaid): void {
    const key = `${session_id}/${utterance_index}/${tgt_lang}`;
    const spoken = this.#spoken.get(key) ?? { attempt, clauses: 0 };
    this.#spoken.set(key, spoken);
    if (this.#spoken.size > MOST_SPOKEN) this.#spoken.delete(this.#spoken.keys().next().value as string);
    if (attempt < spoken.attempt) return;
    if (attempt > spoken.attempt) {
      this.stop(key);
      Object.assign(spoken, { attempt, clauses: 0 });
    }
    // One that does not follow the last is left to the result.
    if (seq !== spoken.clauses) return;
    if (this.#say(audio, format, key)) spoken.clauses += 1;
  }

  #sayRest(session: Session, result: TranslationResult): void {
    const { session_id, utterance_index, tgt_lang = "", tts_audio: audio, tts_format: format, tts_chunks: chunks = 0, trace_id, group_id } = result;
    const key = `${session_id}/${utterance_index}/${tgt_lang}`;
    const clauses = this.#spoken.get(key)?.clauses ?? 0;
    this.#spoken.delete(key);
    if (!audio || (clauses > 0 && clauses === chunks)) return;
    this.stop(key);
    const playing = this.#say(audio, format, key);
    if (!playing || group_id === undefined) return;
    // While somebody listens a pause of theirs cuts nothing.
    session.send("tts_started", { trace_id, group_id, ts_start_ms: Date.now() });
    void playing.ended.then(() => session.send("tts_play_ended", { trace_id, group_id, ts_end_ms: Date.now() }));
  }

  #say(audio: string, format: string, owner: string): Playing | null {
    const samples = readSpeech(audio, format);
    if (!samples?.length) {
      if (!samples) this.emit("unplayable", { format });
      return null;
    }
    return this.play(samples, owner);
  }
}
