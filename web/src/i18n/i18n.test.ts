// SPDX-License-Identifier: Apache-2.0
import { afterEach, describe, expect, test } from 'vitest';
import { choose, direction, load, t, use, type Table } from '.';
import de from './de.json';
import en from './en.json';
import { speaker } from './notices';
import noticesDe from './notices.de.json';
import noticesEn from './notices.en.json';

afterEach(() => use(en, 'en'));

const sources = import.meta.glob<string>(['../{boot,ui}/**/*.{ts,tsx}', '!../**/*.test.ts'], { query: '?raw', import: 'default', eager: true });

describe('languages', () => {
  test.each<[string[], string]>([
    [['de-AT', 'en'], 'de'],
    [['fr', 'de'], 'de'],
    [['EN-us', 'de'], 'en'],
    [['fr', 'ja'], 'en'],
    [[], 'en'],
  ])('%j speaks %s', (wanted, have) => expect(choose(wanted)[0]).toBe(have));

  test('direction', () => {
    expect(direction('ar-EG')).toBe('rtl');
    expect(direction('he')).toBe('rtl');
    expect(direction('de-AT')).toBe('ltr');
  });

  test('a text is filled in', async () => {
    expect(t('chats.unread', { n: 1 })).toBe('1 unread message');
    expect(t('chats.unread', { n: 1200 })).toBe('1,200 unread messages');
    expect(t('chats.draft', { text: '{n} $& $1' })).toBe('Draft: {n} $& $1');
    await load(['de-DE']);
    expect(t('chats.unread', { n: 1200 })).toBe('1.200 ungelesene Nachrichten');
  });
});

describe.each<[string, Table]>([['de', de]])('%s', (_language, words) => {
  test('fills in the same names and has no text too many', () => {
    const names = (entry: unknown): string[] => [...new Set(JSON.stringify(entry).match(/\{\w+\}/gu) ?? [])].sort();
    expect(Object.keys(words).sort()).toEqual(Object.keys(en).sort());
    for (const [key, text] of Object.entries(en)) expect(names(Object.entries(words).find(([k]) => k === key)?.[1]), key).toEqual(names(text));
  });
});

describe('the words of the service worker', () => {
  test('are in the language that comes first', () => {
    expect(speaker(['fr', 'de-AT', 'en'])('messages', { n: 3 })).toBe('3 neue Nachrichten');
    expect(speaker(['fr'])('messages', { n: 1 })).toBe('1 new message');
    expect(speaker(['en'])('file', { name: '{n}' })).toBe('File: {n}');
  });

  test('fill in the same names in each language', () => {
    const names = (all: object): unknown[] => Object.entries(all).map(([key, text]) => [key, [...new Set(JSON.stringify(text).match(/\{\w+\}/gu) ?? [])]]);
    expect(names(noticesDe)).toEqual(names(noticesEn));
  });
});

test('every text is said somewhere', () => {
  const all = Object.values(sources).join('\n');
  const families = [...all.matchAll(/`([a-z.-]+\.)\$\{/gu)].map((m) => m[1] ?? '');
  const silent = Object.keys(en).filter((key) => !all.includes(`'${key}'`) && !families.some((f) => key.startsWith(f)));
  expect(silent).toEqual([]);
});
