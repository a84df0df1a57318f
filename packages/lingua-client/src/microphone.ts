import { Emitter, type Until } from "./emitter.js";
import { LinguaError } from "./error.js";
import { MICROPHONE_WORKLET } from "./worklet.js";
import { Queue } from "./queue.js";
import { Resampler } from "./resampler.js";

export interface MicrophoneOptions extends Until {
  /** The sound of the page, where it has one; else one is made, and closed with the microphone. */
  context?: AudioContext | undefined;
  deviceId?: string | undefined;
  /** Beside one channel, without echo and noise. */
  constraints?: MediaTrackConstraints | undefined;
  /** Where `microphone-worklet.js` of this package lies, for pages whose policy forbids scripts of `blob:`. */
  workletUrl?: string | URL | undefined;
}

export interface MicrophoneEvents {
  /** What was heard in the last tenth of a second; silence while muted. */
  samples: Int16Array<ArrayBuffer>;
  /** It was unplugged, or taken away. */
  lost: LinguaError;
  closed: undefined;
}

const CODES: Record<string, [code: string, message: string]> = {
  NotAllowedError: ["MICROPHONE_DENIED", "The page may not use the microphone."],
  SecurityError: ["MICROPHONE_DENIED", "The page may not use the microphone."],
  NotFoundError: ["MICROPHONE_MISSING", "There is no microphone."],
  OverconstrainedError: ["MICROPHONE_MISSING", "There is no such microphone."],
  NotReadableError: ["MICROPHONE_BUSY", "Another program uses the microphone."],
  AbortError: ["MICROPHONE_BUSY", "The microphone could not be opened."],
};
// Half a minute of it waits for whoever reads; then the oldest gives way.
const MOST_UNREAD = 300;

/** A person's microphone as samples, 16,000 a second; closed, it hears nothing at all. */
export class Microphone extends Emitter<MicrophoneEvents> implements AsyncIterable<Int16Array> {
  readonly context: AudioContext;
  readonly #stream: MediaStream;
  readonly #ownsContext: boolean;
  #worklet: AudioWorkletNode | undefined;
  #source: MediaStreamAudioSourceNode | undefined;
  #isMuted = false;
  #isClosed = false;

  private constructor(stream: MediaStream, context: AudioContext, ownsContext: boolean) {
    super();
    this.#stream = stream;
    this.context = context;
    this.#ownsContext = ownsContext;
  }

  /** Asks for the microphone and opens it. */
  static async open(options: MicrophoneOptions = {}): Promise<Microphone> {
    const { signal } = options;
    signal?.throwIfAborted();
    const { mediaDevices } = navigator;
    if (!mediaDevices) throw new LinguaError("MICROPHONE_INSECURE", "Browsers give the microphone only to pages of https:// or of this machine.");
    let stream: MediaStream;
    try {
      stream = await mediaDevices.getUserMedia({
        audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, ...(options.deviceId ? { deviceId: { exact: options.deviceId } } : {}), ...options.constraints },
      });
    } catch (cause) {
      const { name, message } = cause as DOMException;
      const [code, text] = CODES[name] ?? ["MICROPHONE_FAILED", `The microphone does not open: ${message}`];
      throw new LinguaError(code, text, { cause });
    }
    const microphone = new Microphone(stream, options.context ?? new AudioContext(), options.context === undefined);
    try {
      await microphone.#start(options.workletUrl);
      signal?.throwIfAborted();
    } catch (cause) {
      microphone.close();
      throw cause;
    }
    signal?.addEventListener("abort", () => microphone.close(), { once: true });
    return microphone;
  }

  get isMuted(): boolean {
    return this.#isMuted;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Muted, it gives silence, so that what was said before ends. */
  mute(isMuted = true): void {
    this.#isMuted = isMuted;
    for (const track of this.#stream.getAudioTracks()) track.enabled = !isMuted;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#worklet) this.#worklet.port.onmessage = null;
    this.#source?.disconnect();
    for (const track of this.#stream.getTracks()) {
      track.onended = null;
      track.stop();
    }
    if (this.#ownsContext) void this.context.close();
    this.emit("closed", undefined);
    this.finish();
  }

  /** What it hears, until it is closed; as a lost microphone throws. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Int16Array<ArrayBuffer>> {
    const queue = new Queue<Int16Array<ArrayBuffer>>({ most: MOST_UNREAD });
    const offs = [this.on("samples", (samples) => queue.put(samples)), this.on("lost", (error) => queue.end(error)), this.on("closed", () => queue.end())];
    queue.onEnd = () => offs.forEach((off) => off());
    if (this.#isClosed) queue.end();
    return queue;
  }

  async #start(workletUrl: string | URL | undefined): Promise<void> {
    const { context } = this;
    if (context.state === "suspended") void context.resume();
    const made = workletUrl ? undefined : URL.createObjectURL(new Blob([MICROPHONE_WORKLET], { type: "text/javascript" }));
    try {
      await context.audioWorklet.addModule(workletUrl ?? (made as string));
    } catch (cause) {
      throw new LinguaError("MICROPHONE_FAILED", "The page's policy forbids its script: give `workletUrl`, where microphone-worklet.js of lingua-client lies.", { cause });
    } finally {
      if (made) URL.revokeObjectURL(made);
    }
    this.#source = context.createMediaStreamSource(this.#stream);
    this.#worklet = new AudioWorkletNode(context, "lingua-microphone", { numberOfOutputs: 0 });
    const resampler = new Resampler(context.sampleRate);
    this.#worklet.port.onmessage = ({ data }: MessageEvent<Float32Array>) => {
      const samples = resampler.take(data);
      this.emit("samples", this.#isMuted ? new Int16Array(samples.length) : samples);
    };
    this.#source.connect(this.#worklet);
    const [track] = this.#stream.getAudioTracks();
    if (track) track.onended = () => this.#lose();
  }

  #lose(): void {
    this.emit("lost", new LinguaError("MICROPHONE_LOST", "The microphone is gone."));
    this.close();
  }
}
