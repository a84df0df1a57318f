import type { ClauseSaid, MissingResult, PartialShown, TranslationGrowing, TranslationResult } from "./messages.js";

/** What somebody says, as one reads it; it grows until it is final. */
export interface Caption {
  /** The same for as long as it grows. */
  id: string;
  /** The session that speaks. */
  speakerId: string;
  utteranceIndex: number;
  /** What is understood so far, in the language that is spoken. */
  heard: string;
  /** Its translation as far as it stands. */
  text: string;
  /** What follows `text` so far, and may be taken back. */
  tail: string;
  /** The language of `text`. */
  lang: string;
  isFinal: boolean;
  /** Why there is no translation, and will be none: the reason of `missing_result`. */
  missing?: string;
}

interface Growing extends Caption {
  attempt: number;
}

// Of captions that never end, as a node heard nothing, the oldest are forgotten.
const MOST_OPEN = 200;

/** Makes captions of a session's messages. */
export class CaptionBook {
  readonly #open = new Map<string, Growing>();

  /** Returns the captions that a message changes: none, one, or one a language. */
  take(message: PartialShown | TranslationGrowing | TranslationResult | MissingResult | ClauseSaid, lang: string): Caption[] {
    switch (message.type) {
      case "asr_partial": {
        const said = [...this.#open.values()].filter((one) => one.speakerId === message.session_id && one.utteranceIndex === message.utterance_index);
        const captions = said.length ? said : [this.#find(message, lang)];
        return captions.filter((one) => message.text && one.heard !== message.text).map((one) => this.#change(one, { heard: message.text }));
      }
      case "translation_partial": {
        const caption = this.#find(message, message.tgt_lang ?? lang);
        const { attempt_id: attempt, committed: text, tail } = message;
        // Of an older attempt nothing counts; within one what stands only grows.
        if (attempt < caption.attempt || (attempt === caption.attempt && !text.startsWith(caption.text))) return [];
        return [this.#change(caption, { attempt, text, tail })];
      }
      case "translation_result": {
        const caption = this.#find(message, message.tgt_lang ?? lang);
        return [this.#end(caption, { heard: message.text_asr, text: message.text_translated, tail: "" })];
      }
      case "missing_result":
        return [this.#end(this.#find(message, message.tgt_lang ?? lang), { tail: "", missing: message.reason })];
      default:
        return [];
    }
  }

  #find({ session_id: speakerId, utterance_index: utteranceIndex }: { session_id: string; utterance_index: number }, lang: string): Growing {
    const id = `${speakerId}/${utteranceIndex}/${lang}`;
    const known = this.#open.get(id);
    if (known) return known;
    const made: Growing = { id, speakerId, utteranceIndex, heard: "", text: "", tail: "", lang, isFinal: false, attempt: 0 };
    this.#open.set(id, made);
    if (this.#open.size > MOST_OPEN) this.#open.delete(this.#open.keys().next().value as string);
    return made;
  }

  #change(caption: Growing, change: Partial<Growing>): Caption {
    Object.assign(caption, change);
    const { attempt: _, ...shown } = caption;
    return shown;
  }

  #end(caption: Growing, change: Partial<Growing>): Caption {
    this.#open.delete(caption.id);
    return this.#change(caption, { ...change, isFinal: true });
  }
}
