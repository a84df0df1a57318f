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
const TEMPORARY = new Set(["RATE_LIMITED", "SCHEDULER_DEPENDENCY_DOWN", "DRAINING"]);
/** Whether what was refused may be granted in a moment. */
export function isTemporary(error) {
    return TEMPORARY.has(error.code);
}
/** Reads a frame; one that is not as it should be is told, and is no fault of whoever listens. */
export function readSafely(type, read, tell) {
    try {
        read();
    }
    catch (cause) {
        tell(new LinguaError("BAD_FRAME", `The server sent a frame of the type ${type} that cannot be read.`, { cause }));
    }
}
