// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from 'vitest';
import type { Message } from '../../core/view';
import { rows } from './grouping';

const noon = new Date(2026, 2, 4, 12).getTime();
const at = (key: string, minutes: number, mine = false, more: Partial<Message> = {}): Message => ({
  key, chat: 'ann@example.org', mine, time: noon + minutes * 60_000, body: key, ...more,
});
// d = day, u = unread line, and for messages: key with [ where a group begins and ] where it ends.
const picture = (list: readonly Message[], unread = ''): string =>
  rows(list, unread)
    .map((r) => (r.kind === 'message' ? (r.first ? '[' : '') + r.key + (r.last ? ']' : '') : r.kind.charAt(0)))
    .join(' ');

describe('rows', () => {
  test.each<[string, string, readonly Message[], string]>([
    ['nothing', '', [], ''],
    ['one', 'd [a]', [at('a', 0)], ''],
    ['a group', 'd [a b c]', [at('a', 0), at('b', 1), at('c', 5)], ''],
    ['a pause', 'd [a] [b]', [at('a', 0), at('b', 5)], ''],
    ['two people', 'd [a] [b] [c]', [at('a', 0), at('b', 1, true), at('c', 2)], ''],
    ['midnight', 'd [a] d [b]', [at('a', 719), at('b', 720)], ''],
    ['unread in a group', 'd [a] u [b]', [at('a', 0), at('b', 1)], 'b'],
    ['unread first', 'd u [a b]', [at('a', 0), at('b', 1)], 'a'],
    ['a failed one stands alone', 'd [a] [b]', [at('a', 0, true, { state: 'failed' }), at('b', 1, true)], ''],
  ])('%s', (_name, want, list, unread) => expect(picture(list, unread)).toBe(want));

  test('keys are unique', () => {
    const keys = rows([at('a', 0), at('b', 1500), at('c', -1500)], 'b').map((r) => r.key);
    expect(new Set(keys).size).toBe(keys.length);
  });
});
