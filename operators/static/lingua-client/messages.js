// Made by scripts/wire.py from the server's message types; `make wire` writes it anew.
/** The protocol these messages are of. */
export const PROTOCOL_VERSION = "1.2";
