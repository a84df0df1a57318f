/** The samples a second that Lingua takes speech in, unless a session says otherwise. */
export const SAMPLE_RATE = 16_000;

/** Speech: 16-bit samples, or bytes of another form (length-prefixed Opus, WAV). */
export type Audio = Int16Array | Uint8Array;

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
