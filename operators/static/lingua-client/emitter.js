import { Queue } from "./queue.js";
// What nobody reads is not kept for ever: of a stream the oldest events give way.
const MOST_UNREAD = 1_000;
/** Tells of events by name; each name has a type. */
export class Emitter {
    #listeners = new Map();
    #queues = new Set();
    #end = null;
    /** Calls `take` for each event of this name, until the signal or the function that is returned says so. */
    on(name, take, { signal } = {}) {
        if (signal?.aborted)
            return () => { };
        const listeners = this.#listeners.get(name) ?? new Set();
        this.#listeners.set(name, listeners);
        // Each call is a listener of its own, also where the function is the same.
        const listener = (detail) => take(detail);
        listeners.add(listener);
        const off = () => {
            listeners.delete(listener);
            signal?.removeEventListener("abort", off);
        };
        signal?.addEventListener("abort", off, { once: true });
        return off;
    }
    /** The events of one name as a loop takes them: `for await (const result of session.stream("translation_result"))`. */
    stream(name, { signal } = {}) {
        const queue = new Queue({ most: MOST_UNREAD, signal });
        if (this.#end)
            queue.end(this.#end.error);
        const off = this.on(name, (event) => queue.put(event));
        queue.onEnd = () => {
            off();
            this.#queues.delete(queue);
        };
        if (queue.hasEnded)
            queue.onEnd();
        else
            this.#queues.add(queue);
        return queue;
    }
    /** The next event of this name. */
    async once(name, until = {}) {
        for await (const event of this.stream(name, until))
            return event;
        until.signal?.throwIfAborted();
        throw new Error(`It ended before "${String(name)}".`);
    }
    emit(name, detail) {
        for (const listener of [...(this.#listeners.get(name) ?? [])]) {
            try {
                listener(detail);
            }
            catch (error) {
                // A listener's fault is its own: it is told as any uncaught error, and the others hear the event.
                queueMicrotask(() => {
                    throw error;
                });
            }
        }
    }
    /** Ends every loop over events, with the error where there is one. */
    finish(error) {
        this.#end ??= { error };
        for (const queue of [...this.#queues])
            queue.end(error);
    }
}
