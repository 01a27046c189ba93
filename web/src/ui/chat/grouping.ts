// SPDX-License-Identifier: Apache-2.0

// Turns the messages of a timeline into its rows: a line for each day, the line above the first unread message,
// and bubbles that know whether they begin or end a group. A group is what one person wrote without a pause of
// more than five minutes; only its last bubble says when.
import type { Message } from '../../core/view';

export type Row =
  | { readonly kind: 'day'; readonly key: string; readonly time: number }
  | { readonly kind: 'unread'; readonly key: string }
  | { readonly kind: 'message'; readonly key: string; readonly message: Message; readonly first: boolean; readonly last: boolean };

/** PAUSE ends a group, in milliseconds. */
export const PAUSE = 5 * 60_000;

/** rows of messages (oldest first); unreadFrom is the key of the first unread message, '' for none. */
export function rows(messages: readonly Message[], unreadFrom: string): Row[] {
  const out: Row[] = [];
  messages.forEach((message, i) => {
    const before = messages[i - 1];
    const after = messages[i + 1];
    if (before === undefined || day(before.time) !== day(message.time)) {
      out.push({ kind: 'day', key: 'day ' + day(message.time) + ' ' + message.key, time: message.time });
    }
    if (message.key === unreadFrom) out.push({ kind: 'unread', key: 'unread' });
    const first = before === undefined || !together(before, message) || message.key === unreadFrom;
    const last = after === undefined || !together(message, after) || after.key === unreadFrom;
    out.push({ kind: 'message', key: message.key, message, first, last });
  });
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
