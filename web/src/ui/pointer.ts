// SPDX-License-Identifier: Apache-2.0

/** hasKeyboard guesses by the pointer: who has a mouse has keys. On a phone a focused field brings up a keyboard that hides half of the screen. */
export function hasKeyboard(): boolean {
  return matchMedia('(hover: hover) and (pointer: fine)').matches;
}
