// Of captions that never end, as a node heard nothing, the oldest are forgotten.
const MOST_OPEN = 200;
/** Makes captions of a session's messages. */
export class CaptionBook {
    #open = new Map();
    /** Returns the captions that a message changes: none, one, or one a language. */
    take(message, lang) {
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
                if (attempt < caption.attempt || (attempt === caption.attempt && !text.startsWith(caption.text)))
                    return [];
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
    #find({ session_id: speakerId, utterance_index: utteranceIndex }, lang) {
        const id = `${speakerId}/${utteranceIndex}/${lang}`;
        const known = this.#open.get(id);
        if (known)
            return known;
        const made = { id, speakerId, utteranceIndex, heard: "", text: "", tail: "", lang, isFinal: false, attempt: 0 };
        this.#open.set(id, made);
        if (this.#open.size > MOST_OPEN)
            this.#open.delete(this.#open.keys().next().value);
        return made;
    }
    #change(caption, change) {
        Object.assign(caption, change);
        const { attempt: _, ...shown } = caption;
        return shown;
    }
    #end(caption, change) {
        this.#open.delete(caption.id);
        return this.#change(caption, { ...change, isFinal: true });
    }
}
