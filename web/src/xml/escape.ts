// SPDX-License-Identifier: Apache-2.0

// What XML 1.0 §2.2 does not let into a document; lone surrogates have no UTF-8 form either.
// eslint's control-character rule does not apply: these are the characters meant.
const INVALID = /[\0-\x08\x0B\x0C\x0E-\x1F\uFFFE\uFFFF]|[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g;
const SPECIAL = /[&<>"'\r]/g;
const SPECIAL_ATTR = /[&<>"'\r\n\t]/g;

const NAMED: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
  '\r': '&#13;',
  '\n': '&#10;',
  '\t': '&#9;',
};

/** valid replaces by U+FFFD what cannot stand in XML. */
export function valid(s: string): string {
  return s.replace(INVALID, '\uFFFD');
}

/** isValid tells whether all characters may stand in XML. */
export function isValid(s: string): boolean {
  return s.search(INVALID) < 0;
}

export function escapeText(s: string): string {
  return valid(s).replace(SPECIAL, (c) => NAMED[c] ?? c);
}

/** escapeAttr also keeps tabs and line ends, which a parser would turn into spaces (XML 1.0 §3.3.3). */
export function escapeAttr(s: string): string {
  return valid(s).replace(SPECIAL_ATTR, (c) => NAMED[c] ?? c);
}
