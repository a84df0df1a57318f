// Recorded clips of the server's.
import { readWav } from "../lingua-client/index.js";
import { t } from "./words.js";

export async function readClip(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(t("The clip could not be read (HTTP {status}).", { status: answer.status }));
  try {
    return readWav(await answer.arrayBuffer());
  } catch {
    throw new Error(t("The clip has no samples."));
  }
}
