/** Codes of what goes wrong on this side; every other code is the server's (docs/protocol.md, section 8). */
export type ClientCode =
  | "NO_WEBSOCKET"
  | "BAD_OPTION"
  | "UNREACHABLE"
  | "UNAUTHORIZED"
  | "FORBIDDEN"
  | "RATE_LIMITED"
  | "REPLACED"
  | "FRAME_TOO_LARGE"
  | "MIXED_INPUT"
  | "SESSION_CLOSED"
  | "ROOM_EXPIRED"
  | "NO_ANSWER"
  | "BAD_FRAME"
  | "INVALID_AUDIO"
  | "MICROPHONE_DENIED"
  | "MICROPHONE_MISSING"
  | "MICROPHONE_BUSY"
  | "MICROPHONE_INSECURE"
  | "MICROPHONE_LOST"
  | "MICROPHONE_FAILED";

/** Something did not work; `code` is stable, `message` is for whoever develops. */
export class LinguaError extends Error {
  override readonly name = "LinguaError";
  readonly code: ClientCode | (string & {});
  readonly details: unknown;
  /** When to try again, where somebody knows. */
  readonly retryAfterMs: number | undefined;
  /** The utterance or session it is about, where it is about one. */
  readonly traceId: string | undefined;

  constructor(code: ClientCode | (string & {}), message: string, more: { details?: unknown; traceId?: string | undefined; cause?: unknown } = {}) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.code = code;
    this.details = more.details;
    this.traceId = more.traceId;
    const after = (more.details as { retry_after_ms?: unknown } | null | undefined)?.retry_after_ms;
    this.retryAfterMs = typeof after === "number" ? after : undefined;
  }
}

const TEMPORARY = new Set(["RATE_LIMITED", "SCHEDULER_DEPENDENCY_DOWN", "DRAINING"]);

/** Whether what was refused may be granted in a moment. */
export function isTemporary(error: LinguaError): boolean {
  return TEMPORARY.has(error.code);
}

/** Reads a frame; one that is not as it should be is told, and is no fault of whoever listens. */
export function readSafely(type: string, read: () => void, tell: (error: LinguaError) => void): void {
  try {
    read();
  } catch (cause) {
    tell(new LinguaError("BAD_FRAME", `The server sent a frame of the type ${type} that cannot be read.`, { cause }));
  }
}
