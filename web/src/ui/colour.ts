// SPDX-License-Identifier: Apache-2.0

// The same colour for the same address in every app: XEP-0392 v1.0.1 (Consistent Color Generation).
//
// An address gives an angle (two bytes of its SHA-1), the angle is the hue in the HSLuv space, and the screen
// chooses saturation and lightness: two of each for an avatar, which is dark letters on a light ground in the
// light theme and the other way round in the dark one. HSLuv keeps the contrast of the pair equal for all hues.

/** hue returns the angle of text in degrees, 0 ≤ hue < 360. */
export function hue(text: string): number {
  const digest = sha1(new TextEncoder().encode(text));
  // XEP-0392 §5.1: the least significant 16 bits, little-endian, of a full turn of 65536.
  return ((byte(digest, 0) | (byte(digest, 1) << 8)) / 65536) * 360;
}

/** rgb converts HSLuv (degrees; percent; percent) to red, green and blue from 0 to 1. */
export function rgb(h: number, s: number, l: number): [number, number, number] {
  if (l >= 100) return [1, 1, 1];
  if (l <= 0) return [0, 0, 0];
  const chroma = (maxChroma(l, h) * s) / 100;
  const rad = (h / 180) * Math.PI;
  // LCHuv → LUV → XYZ → sRGB, D65.
  const u = (Math.cos(rad) * chroma) / (13 * l) + REF_U;
  const v = (Math.sin(rad) * chroma) / (13 * l) + REF_V;
  const y = l > 8 ? ((l + 16) / 116) ** 3 : l / KAPPA;
  const x = (y * 9 * u) / (4 * v);
  const z = (y * (12 - 3 * u - 20 * v)) / (4 * v);
  const gamma = (row: readonly [number, number, number]): number => {
    const c = row[0] * x + row[1] * y + row[2] * z;
    return Math.min(1, Math.max(0, c <= 0.0031308 ? 12.92 * c : 1.055 * c ** (1 / 2.4) - 0.055));
  };
  return [gamma(M[0]), gamma(M[1]), gamma(M[2])];
}

/** css writes HSLuv as a CSS colour. */
export function css(h: number, s: number, l: number): string {
  return '#' + rgb(h, s, l).map((c) => Math.round(c * 255).toString(16).padStart(2, '0')).join('');
}

export interface Pair {
  readonly ground: string;
  readonly ink: string;
}

/** avatar returns the two colours of the avatar of an address. Their contrast is above 4.5:1. */
export function avatar(address: string, dark: boolean): Pair {
  const h = hue(address);
  return dark ? { ground: css(h, 45, 27), ink: css(h, 60, 84) } : { ground: css(h, 48, 90), ink: css(h, 85, 34) };
}

/** contrast of two colours of the form #rrggbb by WCAG 2.2, from 1 to 21. */
export function contrast(a: string, b: string): number {
  const light = (c: string): number => {
    const part = (at: number): number => {
      const v = parseInt(c.slice(at, at + 2), 16) / 255;
      return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    };
    return 0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5);
  };
  const [x, y] = [light(a) + 0.05, light(b) + 0.05];
  return x > y ? x / y : y / x;
}

const KAPPA = 24389 / 27;
const EPSILON = 216 / 24389;
const REF_U = 0.19783000664283681;
const REF_V = 0.468319994938791;
const M = [
  [3.240969941904521, -1.537383177570093, -0.498610760293],
  [-0.96924363628087, 1.87596750150772, 0.041555057407175],
  [0.055630079696993, -0.20397695888897, 1.056971514242878],
] as const;

// The largest chroma that sRGB can show at this lightness and hue: the nearest of the six lines that bound it.
function maxChroma(l: number, h: number): number {
  const rad = (h / 180) * Math.PI;
  const cube = ((l + 16) / 116) ** 3;
  const sub = cube > EPSILON ? cube : l / KAPPA;
  let best = Infinity;
  for (const [m1, m2, m3] of M) {
    for (const t of [0, 1]) {
      const top1 = (284517 * m1 - 94839 * m3) * sub;
      const top2 = (838422 * m3 + 769860 * m2 + 731718 * m1) * l * sub - 769860 * t * l;
      const bottom = (632260 * m3 - 126452 * m2) * sub + 126452 * t;
      const length = top2 / bottom / (Math.sin(rad) - (top1 / bottom) * Math.cos(rad));
      if (length >= 0) best = Math.min(best, length);
    }
  }
  return best;
}

// SHA-1 (RFC 3174) without a promise, so that a first paint needs none. Nothing secret depends on it.
function sha1(data: Uint8Array): Uint8Array {
  const padded = new Uint8Array(((data.length + 8) >> 6 << 6) + 64);
  padded.set(data);
  padded[data.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 4, data.length * 8);
  let [h0, h1, h2, h3, h4] = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0];
  const w = new Int32Array(80);
  for (let at = 0; at < padded.length; at += 64) {
    for (let i = 0; i < 16; i++) w[i] = view.getInt32(at + i * 4);
    for (let i = 16; i < 80; i++) w[i] = turn(word(w, i - 3) ^ word(w, i - 8) ^ word(w, i - 14) ^ word(w, i - 16), 1);
    let [a, b, c, d, e] = [h0, h1, h2, h3, h4];
    for (let i = 0; i < 80; i++) {
      const [f, k] =
        i < 20 ? [(b & c) | (~b & d), 0x5a827999]
        : i < 40 ? [b ^ c ^ d, 0x6ed9eba1]
        : i < 60 ? [(b & c) | (b & d) | (c & d), 0x8f1bbcdc]
        : [b ^ c ^ d, 0xca62c1d6];
      [a, b, c, d, e] = [(turn(a, 5) + f + e + k + word(w, i)) | 0, a, turn(b, 30), c, d];
    }
    [h0, h1, h2, h3, h4] = [(h0 + a) | 0, (h1 + b) | 0, (h2 + c) | 0, (h3 + d) | 0, (h4 + e) | 0];
  }
  const out = new DataView(new ArrayBuffer(20));
  [h0, h1, h2, h3, h4].forEach((h, i) => out.setInt32(i * 4, h));
  return new Uint8Array(out.buffer);
}

const turn = (x: number, n: number): number => (x << n) | (x >>> (32 - n));
const word = (w: Int32Array, i: number): number => w[i] ?? 0;
const byte = (b: Uint8Array, i: number): number => b[i] ?? 0;
