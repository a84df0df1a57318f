import { Queue } from "./queue.js";

/** Takes a listener away again. */
export type Off = () => void;

export interface Until {
  /** Ends it: no event more, or the end of the loop. */
  signal?: AbortSignal | undefined;
}

// What nobody reads is not kept for ever: of a stream the oldest events give way.
const MOST_UNREAD = 1_000;

/** Tells of events by name; each name has a type. */
export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<(detail: never) => void>>();
  readonly #queues = new Set<Queue<never>>();
  #end: { error: Error | undefined } | null = null;

  /** Calls `take` for each event of this name, until the signal or the function that is returned says so. */
  on<Name extends keyof Events>(name: Name, take: (detail: Events[Name]) => void, { signal }: Until = {}): Off {
    if (signal?.aborted) return () => {};
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    // Each call is a listener of its own, also where the function is the same.
    const listener = (detail: Events[Name]) => take(detail);
    listeners.add(listener);
    const off = () => {
      listeners.delete(listener);
      signal?.removeEventListener("abort", off);
    };
    signal?.addEventListener("abort", off, { once: true });
    return off;
  }

  /** The events of one name as a loop takes them: `for await (const result of session.stream("translation_result"))`. */
  stream<Name extends keyof Events>(name: Name, { signal }: Until = {}): AsyncIterableIterator<Events[Name]> {
    const queue = new Queue<Events[Name]>({ most: MOST_UNREAD, signal });
    if (this.#end) queue.end(this.#end.error);
    const off = this.on(name, (event) => queue.put(event));
    queue.onEnd = () => {
      off();
      this.#queues.delete(queue as Queue<never>);
    };
    if (queue.hasEnded) queue.onEnd();
    else this.#queues.add(queue as Queue<never>);
    return queue;
  }

  /** The next event of this name. */
  async once<Name extends keyof Events>(name: Name, until: Until = {}): Promise<Events[Name]> {
    for await (const event of this.stream(name, until)) return event;
    until.signal?.throwIfAborted();
    throw new Error(`It ended before "${String(name)}".`);
  }

  protected emit<Name extends keyof Events>(name: Name, detail: Events[Name]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        (listener as (detail: Events[Name]) => void)(detail);
      } catch (error) {
        // A listener's fault is its own: it is told as any uncaught error, and the others hear the event.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  /** Ends every loop over events, with the error where there is one. */
  protected finish(error?: Error): void {
    this.#end ??= { error };
    for (const queue of [...this.#queues]) queue.end(error);
  }
}
