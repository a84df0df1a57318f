/** A piece of speech, as it was given. */
export interface Chunk {
  seq: number;
  bytes: Uint8Array<ArrayBuffer>;
  isFinal: boolean;
}

/** What was said and may have to be said again on another socket; the oldest gives way where it becomes too much. */
export class Backlog {
  readonly #mostBytes: number;
  #chunks: Chunk[] = [];
  #bytes = 0;
  #nextSeq = 0;

  constructor({ mostBytes }: { mostBytes: number }) {
    this.#mostBytes = mostBytes;
  }

  /** Between 0 and 1. */
  get fullness(): number {
    return this.#bytes / this.#mostBytes;
  }

  /** Takes a chunk; returns it and the bytes that gave way. */
  add(bytes: Uint8Array<ArrayBuffer>, isFinal: boolean): { chunk: Chunk; droppedBytes: number } {
    const chunk = { seq: this.#nextSeq, bytes, isFinal };
    this.#nextSeq += 1;
    this.#chunks.push(chunk);
    this.#bytes += bytes.length;
    let droppedBytes = 0;
    while (this.#bytes > this.#mostBytes && this.#chunks.length > 1) droppedBytes += this.#shift();
    return { chunk, droppedBytes };
  }

  /** All chunks up to this one are safe. */
  forget(seq: number): void {
    while (this.#chunks.length && (this.#chunks[0] as Chunk).seq <= seq) this.#shift();
  }

  clear(): void {
    this.#chunks = [];
    this.#bytes = 0;
  }

  list(): readonly Chunk[] {
    return [...this.#chunks];
  }

  #shift(): number {
    const { bytes } = this.#chunks.shift() as Chunk;
    this.#bytes -= bytes.length;
    return bytes.length;
  }
}
