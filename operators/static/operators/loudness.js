// When somebody began to speak, as the page itself hears it; when they ended, the server knows.

const QUIET_MS = 700;
const LEAST = 0.006;
const ABOVE_FLOOR = 3;

export function findLoudest(samples) {
  return samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0) / 32768;
}

export class Ear {
  constructor() {
    Object.assign(this, { beganAt: -Infinity, loudAt: -Infinity, floor: LEAST });
  }

  // Takes a tenth of a second or so, and notes whether it is louder than the room.
  take(samples, now) {
    const power = samples.reduce((sum, sample) => sum + (sample / 32768) ** 2, 0) / Math.max(1, samples.length);
    const level = Math.sqrt(power);
    this.floor = Math.min(level, this.floor * 1.02 + 1e-5);
    if (level < Math.max(LEAST, ABOVE_FLOOR * this.floor)) return;
    if (now - this.loudAt >= QUIET_MS) this.beganAt = now;
    this.loudAt = now;
  }

  // When what is being said began: now, where the server hears somebody before the page does.
  findBegin(now) {
    return now - this.loudAt < QUIET_MS ? this.beganAt : now;
  }
}
