// The person's microphone as samples, a tenth of a second at a time; closed, it hears nothing at all.
import { Resampler } from "./pcm.js";
import { t } from "./words.js";

const ADVICE = {
  NotAllowedError: t("Allow the microphone for this page beside its address, then press Speak again."),
  NotFoundError: t("Plug a microphone in, then press Speak again."),
  NotReadableError: t("Close the program that uses it, then press Speak again."),
};

export async function openMicrophone(context, { onSamples, onLost }) {
  if (!navigator.mediaDevices) {
    throw new Error(t("Browsers give the microphone only to pages with https:// or on this machine. Open this page so, or say a clip."));
  }
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true } });
  } catch (error) {
    throw new Error(t("The microphone cannot be used. {advice} A clip works all the same.", { advice: ADVICE[error.name] ?? `${error.message}.` }));
  }
  await context.audioWorklet.addModule(new URL("./microphone-worklet.js", import.meta.url));
  const source = context.createMediaStreamSource(stream);
  const worklet = new AudioWorkletNode(context, "microphone", { numberOfOutputs: 0 });
  const resampler = new Resampler(context.sampleRate);
  worklet.port.onmessage = ({ data }) => onSamples(resampler.take(data));
  source.connect(worklet);
  const [track] = stream.getAudioTracks();
  track.onended = onLost;
  return {
    close() {
      track.onended = null;
      worklet.port.onmessage = null;
      source.disconnect();
      for (const one of stream.getTracks()) one.stop();
    },
  };
}
