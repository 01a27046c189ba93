// SPDX-License-Identifier: Apache-2.0

// The order of messages in a chat: nine digits of milliseconds and four that count up within one, in base 36,
// so that keys compare as strings. A message that comes now goes to the end, whatever the clock says. One that comes
// from the archive is put between the two that it stands between there: at its time, if that lies between them, else
// next to the earlier one. Where two keys have nothing between them, four more digits make room.

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
  const head = key.slice(0, -COUNT);
  return head + (Number.parseInt(key.slice(-COUNT), 36) + 1).toString(36).padStart(COUNT, '0');
}

/** A key between two ('' = no bound) for a message of that time. */
export function between(low: string, high: string, time: number): string {
  const fits = (key: string): boolean => key > low && (high === '' || key < high);
  const wanted = sortKey(Math.max(1, time), 0); // with nothing but zeros, there would be none before it
  if (fits(wanted)) return wanted;
  if (low !== '' && fits(following(low))) return following(low);
  const digit = '0'.repeat(COUNT - 1);
  let head = low;
  while (!fits(`${head}${digit}1`)) head += `${digit}0`;
  return `${head}${digit}1`;
}
