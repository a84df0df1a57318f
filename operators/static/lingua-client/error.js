/** Something did not work; `code` is stable, `message` is for whoever develops. */
export class LinguaError extends Error {
    name = "LinguaError";
    code;
    details;
    /** When to try again, where somebody knows. */
    retryAfterMs;
    /** The utterance or session it is about, where it is about one. */
    traceId;
    constructor(code, message, more = {}) {
        super(message, more.cause === undefined ? undefined : { cause: more.cause });
        this.code = code;
        this.details = more.details;
        this.traceId = more.traceId;
        const after = more.details?.retry_after_ms;
        this.retryAfterMs = typeof after === "number" ? after : undefined;
    }
}
