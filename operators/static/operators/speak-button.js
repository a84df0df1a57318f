// The button that opens the microphone, and closes it.
import { Microphone } from "../lingua-client/index.js";
import { explainMicrophone } from "./server.js";

const WORKLET = new URL("../lingua-client/microphone-worklet.js", import.meta.url);

export class SpeakButton {
  // `onChange` is told whenever it was opened or closed, and with a sentence where it could not be, or is gone.
  constructor({ button, player, onSamples, onChange }) {
    Object.assign(this, { button, player, onSamples, onChange, microphone: null });
    button.addEventListener("click", () => this.toggle());
  }

  get isOn() { return this.microphone !== null; }

  get isMuted() { return this.microphone?.isMuted ?? false; }

  async toggle() {
    if (this.isOn) {
      this.close();
      return;
    }
    this.button.disabled = true;
    try {
      const microphone = await Microphone.open({ context: this.player.context, workletUrl: WORKLET });
      microphone.on("samples", (samples) => this.onSamples(samples));
      microphone.on("lost", (error) => this.close(explainMicrophone(error)));
      this.microphone = microphone;
      this.onChange("");
    } catch (error) {
      this.onChange(explainMicrophone(error));
    }
  }

  close(problem = "") {
    if (!this.isOn) return;
    this.microphone.close();
    this.microphone = null;
    this.onChange(problem);
  }
}
