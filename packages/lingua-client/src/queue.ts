/** Values from whoever has them to a loop that takes them; where the loop is too slow the oldest give way. */
export class Queue<Value> implements AsyncIterableIterator<Value> {
  readonly #most: number;
  readonly #values: Value[] = [];
  readonly #waiting: Array<{ resolve(result: IteratorResult<Value>): void; reject(error: unknown): void }> = [];
  #error: unknown = undefined;
  #hasEnded = false;
  /** How many gave way. */
  dropped = 0;
  onEnd: () => void = () => {};
  onDrop: () => void = () => {};

  constructor({ most, signal }: { most: number; signal?: AbortSignal | undefined }) {
    this.#most = most;
    if (signal?.aborted) this.end();
    else signal?.addEventListener("abort", () => this.clear(), { once: true });
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  put(value: Value): void {
    if (this.#hasEnded) return;
    const waiting = this.#waiting.shift();
    if (waiting) {
      waiting.resolve({ value, done: false });
      return;
    }
    this.#values.push(value);
    if (this.#values.length > this.#most) {
      this.#values.shift();
      this.dropped += 1;
      this.onDrop();
    }
  }

  /** Puts a value in the place of one that still waits and that it makes needless. */
  replace(value: Value, isOlder: (other: Value) => boolean): void {
    const place = this.#values.findIndex(isOlder);
    if (place < 0) this.put(value);
    else this.#values[place] = value;
  }

  /** What is in it may still be read; then the loop ends, or throws the error. */
  end(error?: unknown): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#error = error;
    this.onEnd();
    for (const waiting of this.#waiting.splice(0)) {
      if (error === undefined) waiting.resolve({ value: undefined, done: true });
      else {
        this.#error = undefined;
        waiting.reject(error);
      }
    }
  }

  clear(): void {
    this.#values.length = 0;
    this.end();
  }

  next(): Promise<IteratorResult<Value>> {
    if (this.#values.length) return Promise.resolve({ value: this.#values.shift() as Value, done: false });
    if (this.#hasEnded) {
      const error = this.#error;
      this.#error = undefined;
      return error === undefined ? Promise.resolve({ value: undefined, done: true }) : Promise.reject(error);
    }
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  return(): Promise<IteratorResult<Value>> {
    this.clear();
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
