import { SAMPLE_RATE } from "./pcm.js";

export interface ClipOptions {
  /** How many times as fast as it was spoken; `Infinity` for all at once. */
  speed?: number | undefined;
  /** Of silence behind it. */
  silenceMs?: number | undefined;
}

const PIECE_MS = 100;

/** Recorded samples as a microphone would give them, a tenth of a second at a time, at the pace of speech. */
export class Clip implements AsyncIterable<Int16Array> {
  readonly #samples: Int16Array;
  readonly #speed: number;

  constructor(samples: Int16Array, { speed = 1, silenceMs = 0 }: ClipOptions = {}) {
    const silence = Math.round((silenceMs / 1000) * SAMPLE_RATE);
    this.#samples = new Int16Array(samples.length + silence);
    this.#samples.set(samples);
    this.#speed = speed;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Int16Array, void, undefined> {
    const began = performance.now();
    const size = (SAMPLE_RATE * PIECE_MS) / 1000;
    for (let place = 0; place < this.#samples.length; place += size) {
      const early = began + ((place + size) / SAMPLE_RATE / this.#speed) * 1000 - performance.now();
      if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
      yield this.#samples.slice(place, place + size);
    }
  }
}
