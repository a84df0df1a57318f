import { LinguaError } from "./error.js";

/** The samples a second that Lingua takes speech in, unless a session says otherwise. */
export const SAMPLE_RATE = 16_000;

/** Speech: 16-bit samples, or bytes of another form (length-prefixed Opus, WAV). */
export type Audio = Int16Array | Uint8Array;

/** Says at once what would only be heard as noise. */
export function checkAudio(audio: Audio): void {
  if (audio instanceof Int16Array || audio instanceof Uint8Array) return;
  const given = Object.prototype.toString.call(audio).slice(8, -1);
  throw new LinguaError("BAD_OPTION", `Speech is an Int16Array of samples, or a Uint8Array of bytes, not ${given}. Floats: Int16Array.from(floats, (one) => one * 32767).`);
}

export function toBytes(audio: Audio): Uint8Array<ArrayBuffer> {
  // A copy: whoever said it may write into its samples again.
  return new Uint8Array(audio.buffer, audio.byteOffset, audio.byteLength).slice();
}

export function toBase64(audio: Audio): string {
  const bytes = new Uint8Array(audio.buffer, audio.byteOffset, audio.byteLength);
  let text = "";
  for (let place = 0; place < bytes.length; place += 0x8000) {
    text += String.fromCharCode(...bytes.subarray(place, place + 0x8000));
  }
  return btoa(text);
}

export function fromBase64(text: string): Int16Array<ArrayBuffer> {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Int16Array(bytes.buffer, 0, bytes.length >> 1);
}

export function toFloats(samples: Int16Array): Float32Array<ArrayBuffer> {
  return Float32Array.from(samples, (sample) => sample / 32768);
}
