// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from 'vitest';
import { avatar, contrast, hue, rgb } from './colour';

// XEP-0392 §13.1
const VECTORS: [string, number, number, number, number][] = [
  ['Romeo', 327.255249, 0.865, 0.0, 0.686],
  ['juliet@capulet.lit', 209.4104, 0.0, 0.515, 0.573],
  ['😺', 331.199341, 0.872, 0.0, 0.659],
  ['council', 359.994507, 0.918, 0.0, 0.394],
  ['Board', 171.430664, 0.0, 0.527, 0.457],
];

describe('consistent colours', () => {
  test.each(VECTORS)('%s', (text, angle, r, g, b) => {
    expect(hue(text)).toBeCloseTo(angle, 5);
    const got = rgb(hue(text), 100, 50);
    [r, g, b].forEach((want, i) => expect(got[i]).toBeCloseTo(want, 2));
  });

  test('a long text fills more than one block of the hash', () => {
    expect(hue('x'.repeat(55))).not.toBe(hue('x'.repeat(56)));
    expect(hue('a'.repeat(200))).toBeGreaterThanOrEqual(0);
  });

  test('letters on an avatar can be read at every hue', () => {
    for (let i = 0; i < 400; i++) {
      for (const dark of [false, true]) {
        const pair = avatar(`person${i}@example.org`, dark);
        expect(contrast(pair.ground, pair.ink), `${i} ${dark}`).toBeGreaterThan(4.5);
      }
    }
  });
});
