// SPDX-License-Identifier: Apache-2.0

// A guess how hard a password is to guess, for a hint while it is written. The server decides.

export type Strength = 'short' | 'weak' | 'fair' | 'good';

/** LEAST is the number of characters a password has to have. */
export const LEAST = 10;

/** strength of a password; name is what must not be in it. */
export function strength(password: string, name: string): Strength {
  const marks = [...password];
  if (marks.length < LEAST) return 'short';
  const lower = password.toLowerCase();
  if (name !== '' && lower.includes(name.toLowerCase())) return 'weak';
  const kinds = [/\p{Ll}/u, /\p{Lu}/u, /\p{N}/u, /[^\p{L}\p{N}]/u].filter((k) => k.test(password)).length;
  // Runs (abcd, 1234, aaaa) hardly add anything: count the steps that are none.
  let steps = 0;
  for (let i = 1; i < marks.length; i++) {
    const step = (marks[i]?.codePointAt(0) ?? 0) - (marks[i - 1]?.codePointAt(0) ?? 0);
    if (Math.abs(step) > 1) steps++;
  }
  const different = new Set(marks).size;
  const points = Math.min(steps, different) + kinds * 1.5;
  return points < 9.5 ? 'weak' : points < 16 ? 'fair' : 'good';
}
