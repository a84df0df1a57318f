/**
 * Hands the microphone's blocks to the page, a tenth of a second at a time. It runs in the audio thread, where
 * nothing can be imported: hence a text. The build writes it to `microphone-worklet.js`, too, for pages whose
 * policy forbids code from a text.
 */
export const MICROPHONE_WORKLET = `class LinguaMicrophone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.blocks = [];
    this.length = 0;
  }

  process([[channel]]) {
    if (channel) {
      this.blocks.push(channel.slice());
      this.length += channel.length;
      if (this.length >= sampleRate / 10) {
        const joined = new Float32Array(this.length);
        let at = 0;
        for (const block of this.blocks) {
          joined.set(block, at);
          at += block.length;
        }
        this.port.postMessage(joined, [joined.buffer]);
        this.blocks = [];
        this.length = 0;
      }
    }
    return true;
  }
}
registerProcessor("lingua-microphone", LinguaMicrophone);
`;
