// SPDX-License-Identifier: Apache-2.0

// Turns the messages of a timeline into its rows: a line for each day, the line above the first unread message,
// and bubbles that know whether they begin or end a group. A group is what one person wrote without a pause of
// more than five minutes; only its last bubble says when. Where messages are missing, a row says so.
import type { Gap, Message } from '../../core/view';

export type Row =
  | { readonly kind: 'day'; readonly key: string; readonly time: number }
  | { readonly kind: 'unread'; readonly key: string }
  | { readonly kind: 'gap'; readonly key: string; readonly gap: Gap }
  | { readonly kind: 'message'; readonly key: string; readonly message: Message; readonly first: boolean; readonly last: boolean };

/** PAUSE ends a group, in milliseconds. */
export const PAUSE = 5 * 60_000;

/** rows of messages (oldest first); unreadFrom is the key of the first unread message, '' for none. */
export function rows(messages: readonly Message[], unreadFrom: string, gaps: readonly Gap[] = []): Row[] {
  const out: Row[] = [];
  const missing = new Map(gaps.map((gap) => [gap.before, gap]));
  const cut = (m: Message): boolean => m.key === unreadFrom || missing.has(m.key);
  const gapBefore = (key: string): void => {
    const gap = missing.get(key);
    if (gap !== undefined) out.push({ kind: 'gap', key: 'gap ' + gap.id, gap });
  };
  messages.forEach((message, i) => {
    const before = messages[i - 1];
    const after = messages[i + 1];
    gapBefore(message.key);
    if (before === undefined || day(before.time) !== day(message.time)) {
      out.push({ kind: 'day', key: 'day ' + day(message.time) + ' ' + message.key, time: message.time });
    }
    if (message.key === unreadFrom) out.push({ kind: 'unread', key: 'unread' });
    const first = before === undefined || !together(before, message) || cut(message);
    const last = after === undefined || !together(message, after) || cut(after);
    out.push({ kind: 'message', key: message.key, message, first, last });
  });
  gapBefore('');
  return out;
}

function together(a: Message, b: Message): boolean {
  return a.mine === b.mine && b.time - a.time < PAUSE && day(a.time) === day(b.time) && a.state !== 'failed';
}

/** day names the local day of a time. */
export function day(time: number): string {
  const d = new Date(time);
  return `${d.getFullYear()}-${d.getMonth() + 1}-${d.getDate()}`;
}
