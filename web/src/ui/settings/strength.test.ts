// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import { strength } from './strength';

test.each([
  ['', 'short'],
  ['Ab3$xyz', 'short'],
  ['aaaaaaaaaaaa', 'weak'],
  ['1234567890', 'weak'],
  ['abababababab', 'weak'],
  ['robin is the best', 'weak'], // the name
  ['horsebattery', 'fair'],
  ['correct horse battery staple', 'good'],
  ['V7$kq2!mPz0x', 'good'],
])('%s is %s', (password, want) => expect(strength(password, 'robin')).toBe(want));
