import { LinguaError } from "./error.js";
import { fromBase64, SAMPLE_RATE, toFloats } from "./pcm.js";
import { Resampler } from "./resampler.js";
/** Reads a WAV file of one channel of 16-bit samples, as 16,000 samples a second. */
export function readWav(file) {
    // Not the file itself: a Buffer of Node.js gives its memory where others give a copy.
    const bytes = file instanceof Uint8Array ? new Uint8Array(file.buffer, file.byteOffset, file.byteLength) : new Uint8Array(file);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (view.byteLength < 12 || view.getUint32(0) !== 0x52494646)
        throw new LinguaError("INVALID_AUDIO", "This is no WAV file.");
    let [place, rate] = [12, SAMPLE_RATE];
    while (place + 8 <= view.byteLength) {
        const [name, size] = [view.getUint32(place), view.getUint32(place + 4, true)];
        if (name === 0x666d7420 && place + 24 <= view.byteLength) {
            const [form, channels, bits] = [view.getUint16(place + 8, true), view.getUint16(place + 10, true), view.getUint16(place + 22, true)];
            if (channels !== 1 || bits !== 16 || (form !== 1 && form !== 0xfffe)) {
                throw new LinguaError("INVALID_AUDIO", `One channel of 16-bit samples is read here; this WAV has ${channels} of ${bits} bits (form ${form}).`);
            }
            rate = view.getUint32(place + 12, true);
        }
        if (name === 0x64617461) {
            const samples = new Int16Array(bytes.slice(place + 8, place + 8 + (Math.min(size, view.byteLength - place - 8) & ~1)).buffer);
            return rate === SAMPLE_RATE ? samples : new Resampler(rate).take(toFloats(samples));
        }
        place += 8 + size + (size % 2);
    }
    throw new LinguaError("INVALID_AUDIO", "This WAV file has no samples.");
}
/** Reads speech as nodes send it; `null` where it is of a kind that cannot be played here, or broken. */
export function readSpeech(base64, format) {
    try {
        const samples = fromBase64(base64);
        if (format === "pcm16")
            return samples;
        return format === "wav" ? readWav(samples.buffer) : null;
    }
    catch {
        return null;
    }
}
