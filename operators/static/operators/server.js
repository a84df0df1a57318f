// The server as pages speak with it, and its refusals as people read them.
import { Lingua } from "../lingua-client/index.js";
import { t } from "./words.js";

const headers = () => ({ "X-CSRFToken": document.querySelector('meta[name="csrf-token"]').content });
const MICROPHONE = {
  MICROPHONE_DENIED: t("Allow the microphone for this page beside its address, then press Speak again."),
  MICROPHONE_MISSING: t("Plug a microphone in, then press Speak again."),
  MICROPHONE_BUSY: t("Close the program that uses it, then press Speak again."),
};
const CLOSED = {
  4401: t("This link is not valid any more. Ask for a new one."),
  4403: t("This link is for another room. Ask for the right one."),
};

// A ticket opens one socket where a login is on; elsewhere none is needed. Who has a link shows the link's.
export const connect = (ticket) => new Lingua(ticket ? { ticket } : { headers });

export function explainMicrophone({ code, message }) {
  if (code === "MICROPHONE_INSECURE") return t("Browsers give the microphone only to pages with https:// or on this machine. Open this page so, or say a clip.");
  if (code === "MICROPHONE_LOST") return t("The microphone is gone. Plug it in, then press Speak again.");
  return t("The microphone cannot be used. {advice} A clip works all the same.", { advice: MICROPHONE[code] ?? message });
}

// Why somebody may not come in, or listen any more.
export function explainEnd({ message, details }) {
  const { close_code: closed, http_status: status } = details ?? {};
  if (status) return t("You may not come in here (HTTP {status}). Ask for a link, or log in.", { status });
  return CLOSED[closed] ?? message;
}
