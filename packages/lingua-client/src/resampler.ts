import { SAMPLE_RATE } from "./pcm.js";

/** Averages the samples that fall into each of ours; what is left over waits for the next block. */
export class Resampler {
  readonly #step: number;
  #rest = new Float32Array(0);

  constructor(rate: number) {
    this.#step = rate / SAMPLE_RATE;
  }

  take(block: Float32Array): Int16Array<ArrayBuffer> {
    const input = new Float32Array(this.#rest.length + block.length);
    input.set(this.#rest);
    input.set(block, this.#rest.length);
    const count = Math.floor(input.length / this.#step);
    const output = new Int16Array(count);
    for (let place = 0; place < count; place += 1) {
      const from = Math.floor(place * this.#step);
      const to = Math.max(Math.floor((place + 1) * this.#step), from + 1);
      let sum = 0;
      for (let at = from; at < to; at += 1) sum += input[at] ?? 0;
      output[place] = Math.max(-1, Math.min(1, sum / (to - from))) * 32767;
    }
    this.#rest = input.slice(Math.floor(count * this.#step));
    return output;
  }
}
