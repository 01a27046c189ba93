// SPDX-License-Identifier: Apache-2.0

const FIRST = 1_000; // ms
const LAST = 60_000; // ms

/**
 * backoff is how long to wait, in ms, before the try after `failures` failed ones (1 or more): about 1 s, 2 s, 4 s …
 * to a minute, each between half and all of it, so that a server that comes back is not stormed.
 */
export function backoff(failures: number, random: () => number = Math.random): number {
  const full = Math.min(LAST, FIRST * 2 ** Math.min(Math.max(failures - 1, 0), 16));
  return full / 2 + (full / 2) * random();
}
