/** What was said and may have to be said again on another socket; the oldest gives way where it becomes too much. */
export class Backlog {
    #mostBytes;
    #chunks = [];
    #bytes = 0;
    #nextSeq = 0;
    constructor({ mostBytes }) {
        this.#mostBytes = mostBytes;
    }
    /** Between 0 and 1. */
    get fullness() {
        return this.#bytes / this.#mostBytes;
    }
    /** Takes a chunk; returns it and the bytes that gave way. */
    add(bytes, isFinal) {
        const chunk = { seq: this.#nextSeq, bytes, isFinal };
        this.#nextSeq += 1;
        this.#chunks.push(chunk);
        this.#bytes += bytes.length;
        let droppedBytes = 0;
        while (this.#bytes > this.#mostBytes && this.#chunks.length > 1)
            droppedBytes += this.#shift();
        return { chunk, droppedBytes };
    }
    /** All chunks up to this one are safe. */
    forget(seq) {
        while (this.#chunks.length && this.#chunks[0].seq <= seq)
            this.#shift();
    }
    clear() {
        this.#chunks = [];
        this.#bytes = 0;
    }
    list() {
        return [...this.#chunks];
    }
    #shift() {
        const { bytes } = this.#chunks.shift();
        this.#bytes -= bytes.length;
        return bytes.length;
    }
}
