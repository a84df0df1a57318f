// What scripts say, in the reader's language: /words.js brought the sentences before, or there is English.
const known = globalThis.gettext ?? ((text) => text);

// `{name}` in a sentence stands for a value.
export function t(text, values = {}) {
  return known(text).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}
