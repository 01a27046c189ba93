// SPDX-License-Identifier: Apache-2.0

// The few words of the service worker, which is no part of the page and has its own, small table.
import de from './notices.de.json';
import en from './notices.en.json';

export type Notice = keyof typeof en;

const TABLES: Readonly<Record<string, typeof en>> = { de, en };

/** speaker returns what says a text in the first of the languages that we have, else in English. */
export function speaker(wanted: readonly string[]): (key: Notice, values?: Readonly<Record<string, string | number>>) => string {
  const tag = wanted.find((w) => Object.hasOwn(TABLES, base(w))) ?? 'en';
  const table = TABLES[base(tag)] ?? en;
  const plural = new Intl.PluralRules(tag);
  return (key, values = {}) => {
    const entry: string | Readonly<Record<string, string>> = table[key];
    const n = values['n'];
    const text = typeof entry === 'string' ? entry : (entry[plural.select(typeof n === 'number' ? n : 0)] ?? entry['other'] ?? '');
    return text.replace(/\{(\w+)\}/gu, (all, name: string) => String(values[name] ?? all));
  };
}

function base(tag: string): string {
  return tag.toLowerCase().split('-')[0] ?? '';
}
