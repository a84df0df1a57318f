// Plays speech piece after piece, in the order in which it was given; a piece belongs to somebody who may take it back.
import { SAMPLE_RATE, toFloats } from "./pcm.js";

export class Player {
  constructor() {
    this.queued = new Set();
  }

  // The one clock of sound, made when it is first needed: browsers want to see a hand before.
  get context() {
    this.sound ??= new AudioContext();
    if (this.sound.state === "suspended") this.sound.resume();
    return this.sound;
  }

  // Returns in how many milliseconds it will be heard.
  play(samples, owner) {
    const { context } = this;
    const buffer = context.createBuffer(1, samples.length, SAMPLE_RATE);
    buffer.copyToChannel(toFloats(samples), 0);
    const source = context.createBufferSource();
    source.buffer = buffer;
    source.connect(context.destination);
    const begins = Math.max(context.currentTime, ...[...this.queued].map(({ ends }) => ends));
    const piece = { source, owner, ends: begins + buffer.duration };
    this.queued.add(piece);
    source.onended = () => this.queued.delete(piece);
    source.start(begins);
    return (begins - context.currentTime) * 1000;
  }

  // Without an owner, everybody's.
  stop(owner = null) {
    for (const piece of this.queued) {
      if (owner !== null && piece.owner !== owner) continue;
      this.queued.delete(piece);
      piece.source.stop();
    }
  }
}
