// SPDX-License-Identifier: Apache-2.0

import { language } from '../../i18n';

const UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte'] as const;

/** size says how large a file is, as people do: 1.4 MB. */
export function size(bytes: number): string {
  let n = bytes;
  let at = 0;
  while (n >= 1000 && at < UNITS.length - 1) {
    n /= 1000;
    at++;
  }
  return new Intl.NumberFormat(language(), {
    style: 'unit', unit: UNITS[at] ?? 'byte', unitDisplay: at === 0 ? 'long' : 'short', maximumFractionDigits: n < 10 && at > 1 ? 1 : 0,
  }).format(n);
}
