// SPDX-License-Identifier: Apache-2.0

// The words of the app. en.json is the list of what there is to say, and the type of every other language; a
// missing key does not compile. A text is a string with {names} to fill in, or one string for each plural form
// of the language (Intl.PluralRules, chosen by {n}).
//
// use() is called once before the first screen, so reading a text needs no signal.
import en from './en.json';

export type Words = typeof en;
export type Key = keyof Words;
type Plural = Partial<Record<Intl.LDMLPluralRule, string>> & { readonly other: string };
export type Table = { readonly [K in Key]: Words[K] extends string ? string : Plural };

const LANGUAGES: Readonly<Record<string, () => Promise<Table>>> = {
  en: async () => en,
  de: async () => (await import('./de.json')).default,
};
const RTL = new Set(['ar', 'arc', 'ckb', 'dv', 'fa', 'he', 'ks', 'ps', 'sd', 'ug', 'ur', 'yi']);

let table: Table = en;
let tag = 'en';
let plural = new Intl.PluralRules('en');

/** choose returns the language we have that comes first in what the person wants, as [what we have, what they wrote]. */
export function choose(wanted: readonly string[]): [string, string] {
  for (const want of wanted) {
    const base = want.toLowerCase().split('-')[0] ?? '';
    if (base in LANGUAGES) return [base, want];
  }
  return ['en', 'en'];
}

/** direction of a language. */
export function direction(language: string): 'ltr' | 'rtl' {
  return RTL.has(language.toLowerCase().split('-')[0] ?? '') ? 'rtl' : 'ltr';
}

/** load makes the language the person wants the one that is spoken. It never fails: then it stays English. */
export async function load(wanted: readonly string[]): Promise<void> {
  const [have, wrote] = choose(wanted);
  try {
    use((await LANGUAGES[have]?.()) ?? en, wrote);
  } catch {
    use(en, 'en');
  }
}

/** use speaks from a table; language is its BCP 47 tag, which also decides how dates look. */
export function use(words: Table, language: string): void {
  table = words;
  tag = language;
  plural = new Intl.PluralRules(language);
}

/** language is the BCP 47 tag of what is spoken. */
export function language(): string {
  return tag;
}

/** t says a text. A name without a value stays as it is written, which a test finds. */
export function t(key: Key, values: Readonly<Record<string, string | number>> = {}): string {
  const entry: string | Plural = table[key];
  const n = values['n'];
  const text = typeof entry === 'string' ? entry : (entry[plural.select(typeof n === 'number' ? n : 0)] ?? entry.other);
  return text.replace(/\{(\w+)\}/gu, (all, name: string) => {
    const value = values[name];
    return value === undefined ? all : typeof value === 'number' ? new Intl.NumberFormat(tag).format(value) : value;
  });
}
