// Speech as 16-bit samples at 16,000 a second, the form every Lingua node takes.
import { t } from "./words.js";

export const SAMPLE_RATE = 16000;

export function toBase64(samples) {
  const bytes = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
  let text = "";
  for (let place = 0; place < bytes.length; place += 0x8000) {
    text += String.fromCharCode(...bytes.subarray(place, place + 0x8000));
  }
  return btoa(text);
}

export function fromBase64(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Int16Array(bytes.buffer, 0, bytes.length >> 1);
}

export function toFloats(samples) {
  return Float32Array.from(samples, (sample) => sample / 32768);
}

// Average the samples that fall into each of ours; what is left over waits for the next block.
export class Resampler {
  constructor(rate) {
    this.step = rate / SAMPLE_RATE;
    this.rest = new Float32Array(0);
  }

  take(block) {
    const input = new Float32Array(this.rest.length + block.length);
    input.set(this.rest);
    input.set(block, this.rest.length);
    const count = Math.floor(input.length / this.step);
    const output = new Int16Array(count);
    for (let place = 0; place < count; place += 1) {
      const [from, to] = [Math.floor(place * this.step), Math.max(Math.floor((place + 1) * this.step), Math.floor(place * this.step) + 1)];
      let sum = 0;
      for (let at = from; at < to; at += 1) sum += input[at];
      output[place] = Math.max(-1, Math.min(1, sum / (to - from))) * 32767;
    }
    this.rest = input.slice(Math.floor(count * this.step));
    return output;
  }
}

// A WAV file of one channel of 16-bit samples.
function readWav(buffer) {
  const view = new DataView(buffer);
  let [place, rate] = [12, SAMPLE_RATE];
  while (place + 8 <= view.byteLength) {
    const [name, size] = [view.getUint32(place), view.getUint32(place + 4, true)];
    if (name === 0x666d7420) rate = view.getUint32(place + 12, true);
    if (name === 0x64617461) {
      const bytes = buffer.slice(place + 8, Math.min(view.byteLength, place + 8 + size));
      const samples = new Int16Array(bytes, 0, bytes.byteLength >> 1);
      return rate === SAMPLE_RATE ? samples : new Resampler(rate).take(toFloats(samples));
    }
    place += 8 + size + (size % 2);
  }
  throw new Error(t("The clip has no samples."));
}

// A recorded clip of the server's.
export async function readClip(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(t("The clip could not be read (HTTP {status}).", { status: answer.status }));
  return readWav(await answer.arrayBuffer());
}

// Speech as nodes send it; null where it is of a kind that this page cannot play, or broken.
export function readAudio(text, format) {
  try {
    const samples = fromBase64(text);
    if (format === "pcm16") return samples;
    return format === "wav" ? readWav(samples.buffer) : null;
  } catch {
    return null;
  }
}
