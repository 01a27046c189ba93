// SPDX-License-Identifier: Apache-2.0

// The order of messages in a chat: nine digits of milliseconds and four that count up within one, in base 36,
// so that keys compare as strings. A message that comes late is put where its stamp belongs; one that comes
// now goes to the end, whatever the clock says.

const TIME = 9;
const COUNT = 4;

/** The key of the nth message (0, 1, …) at that time, ms since 1970. */
export function sortKey(time: number, n: number): string {
  return Math.max(0, Math.floor(time)).toString(36).padStart(TIME, '0') + n.toString(36).padStart(COUNT, '0');
}

/** The key after last ('' for none) for a message of now. */
export function after(last: string, now: number): string {
  const first = sortKey(now, 0);
  return first > last ? first : following(last);
}

/** The key next to an existing one. */
export function following(key: string): string {
  return key.slice(0, TIME) + (Number.parseInt(key.slice(TIME), 36) + 1).toString(36).padStart(COUNT, '0');
}

/** All keys of one millisecond lie between these two. */
export function at(time: number): [from: string, to: string] {
  const first = sortKey(time, 0);
  return [first, first.slice(0, TIME) + 'z'.repeat(COUNT)];
}
