// The languages that people may choose, each by its own name.
const CODES = ["en", "es", "zh", "ja", "ko", "de", "fr", "it", "pt", "ru", "ar", "he", "hi", "tr", "pl", "nl", "uk", "vi"];

export function nameLanguage(code) {
  try {
    return new Intl.DisplayNames([code], { type: "language" }).of(code);
  } catch {
    return code;
  }
}

// The reader's own language first; another that somebody speaks here can be added.
export function fillLanguages(select, make, chosen) {
  const codes = CODES.includes(chosen) ? CODES : [chosen, ...CODES];
  select.replaceChildren(...codes.map((code) => make("option", { value: code, lang: code, selected: code === chosen }, nameLanguage(code))));
}

export function guessLanguage() {
  const own = (navigator.language || "en").split("-")[0].toLowerCase();
  return CODES.includes(own) ? own : "en";
}
