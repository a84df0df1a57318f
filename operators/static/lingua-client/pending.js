import { LinguaError } from "./error.js";
/** The whole utterances that were said and have no answer yet. */
export class Pending {
    #waiting = new Map();
    wait(frame) {
        return new Promise((resolve, reject) => this.#waiting.set(frame.utterance_index, { frame, resolve, reject }));
    }
    /** What is to be said again on another socket, maybe as of another session. */
    list(sessionId) {
        for (const one of this.#waiting.values())
            one.frame.session_id = sessionId;
        return [...this.#waiting.values()].map(({ frame }) => frame);
    }
    answer(result) {
        this.#take(result.utterance_index)?.resolve(result);
    }
    miss({ utterance_index: index, reason, trace_id: traceId }) {
        // Whoever waits is told, whatever was said of why.
        const why = typeof reason === "string" ? reason : "no_answer";
        this.#take(index)?.reject(new LinguaError(why.toUpperCase(), `There is no answer: ${why.replaceAll("_", " ")}.`, { traceId }));
    }
    /** An error is about the utterance whose trace it names; one that names none, about the only one there is. */
    refuse(error) {
        const only = this.#waiting.size === 1 && error.traceId === undefined;
        for (const [index, { frame, reject }] of this.#waiting) {
            if (!only && frame.trace_id !== error.traceId)
                continue;
            this.#waiting.delete(index);
            reject(error);
        }
    }
    cancel(index, reason) {
        const one = this.#take(index);
        one?.reject(reason);
        return one !== undefined;
    }
    end(error) {
        for (const index of [...this.#waiting.keys()])
            this.#take(index)?.reject(error);
    }
    #take(index) {
        const one = this.#waiting.get(index);
        this.#waiting.delete(index);
        return one;
    }
}
