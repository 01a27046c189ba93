// SPDX-License-Identifier: Apache-2.0

// Pictures are made anew before they leave the device: smaller, and without what a camera writes into them (where and
// when it was taken, with what).
import type { NewFile, Picture } from '../../core/view';

const SIDE = 2048; // pixels of the longer side of a picture that is sent
const QUALITY = 0.82;
const AVATAR = [512, 384, 320, 256, 192] as const; // pixels, the best that fits into …
const AVATAR_BYTES = 70 * 1024;

/** A square of a picture, in its own pixels. */
export interface Square {
  readonly x: number;
  readonly y: number;
  readonly side: number;
}

/** isPicture says whether a file is worth a try; an animation (GIF) and a drawing (SVG) stay what they are. */
export function isPicture(file: Blob): boolean {
  return /^image\/(?!gif|svg)/.test(file.type);
}

/** shrink makes what is sent of a file: a picture anew, anything else as it is. It never fails: what cannot be read is no picture. */
export async function shrink(file: File): Promise<NewFile> {
  const plain = { blob: file, name: file.name, width: 0, height: 0 };
  if (file.type === 'image/gif') return { ...plain, ...(await sizeOf(file)) };
  if (!isPicture(file)) return plain;
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    return plain;
  }
  const scale = Math.min(1, SIDE / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [Math.max(1, Math.round(bitmap.width * scale)), Math.max(1, Math.round(bitmap.height * scale))];
  try {
    const canvas = draw(bitmap, { x: 0, y: 0, w: bitmap.width, h: bitmap.height }, width, height);
    const blob = isClear(canvas) ? await encode(canvas, 'image/png') : await photo(canvas, file);
    return { blob, name: rename(file.name, blob.type), width, height };
  } catch {
    return plain;
  } finally {
    bitmap.close();
  }
}

/** A photograph as JPEG; a screenshot, of few colours, may be smaller as PNG. */
async function photo(canvas: HTMLCanvasElement, file: File): Promise<Blob> {
  const jpeg = await encode(canvas, 'image/jpeg', QUALITY);
  if (file.type === 'image/png') {
    const png = await encode(canvas, 'image/png');
    if (png.size <= jpeg.size) return png;
  }
  // What was small before does not become larger.
  return jpeg.size > file.size ? encode(canvas, 'image/jpeg', 0.7) : jpeg;
}

/** avatar cuts a square out of a picture and makes it small enough to be given to everybody. */
export async function avatar(bitmap: ImageBitmap, square: Square): Promise<Picture> {
  const from = { x: square.x, y: square.y, w: square.side, h: square.side };
  let last: Picture | undefined;
  for (const wanted of AVATAR) {
    const side = Math.max(1, Math.min(wanted, Math.round(square.side)));
    const canvas = draw(bitmap, from, side, side);
    // XEP-0084 §4.2.1 wants a PNG among the formats. A photograph is ten times as large as one: where it does not fit, it
    // is a JPEG alone, which all know that show pictures.
    const png = await encode(canvas, 'image/png');
    if (png.size <= AVATAR_BYTES) return { blob: png, width: side, height: side };
    const opaque = draw(bitmap, from, side, side, '#fff');
    for (const quality of [0.86, 0.72]) {
      const jpeg = await encode(opaque, 'image/jpeg', quality);
      last = { blob: jpeg, width: side, height: side };
      if (jpeg.size <= AVATAR_BYTES) return last;
    }
  }
  if (last === undefined) throw new Error('picture: nothing was drawn');
  return last;
}

interface Part {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

function draw(bitmap: ImageBitmap, from: Part, width: number, height: number, ground?: string): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d');
  if (context === null) throw new Error('picture: no canvas');
  if (ground !== undefined) {
    context.fillStyle = ground;
    context.fillRect(0, 0, width, height);
  }
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, from.x, from.y, from.w, from.h, 0, 0, width, height);
  return canvas;
}

/** Whether one can see through it somewhere; looked for on a small copy. */
function isClear(canvas: HTMLCanvasElement): boolean {
  const small = document.createElement('canvas');
  small.width = small.height = 64;
  const context = small.getContext('2d', { willReadFrequently: true });
  if (context === null) return false;
  context.drawImage(canvas, 0, 0, 64, 64);
  const { data } = context.getImageData(0, 0, 64, 64);
  for (let i = 3; i < data.length; i += 4) if ((data[i] ?? 255) < 250) return true;
  return false;
}

function encode(canvas: HTMLCanvasElement, type: string, quality?: number): Promise<Blob> {
  return new Promise((done, fail) => {
    canvas.toBlob((blob) => (blob === null ? fail(new Error('picture: cannot be written')) : done(blob)), type, quality);
  });
}

async function sizeOf(file: Blob): Promise<{ width: number; height: number }> {
  try {
    const bitmap = await createImageBitmap(file);
    const { width, height } = bitmap;
    bitmap.close();
    return { width, height };
  } catch {
    return { width: 0, height: 0 };
  }
}

const ENDINGS: Readonly<Record<string, string>> = { 'image/jpeg': 'jpg', 'image/png': 'png' };

/** rename gives a name the ending of what the picture is now. */
export function rename(name: string, type: string): string {
  const ending = ENDINGS[type];
  if (ending === undefined || new RegExp(`\\.${ending}$`, 'i').test(name) || (ending === 'jpg' && /\.jpeg$/i.test(name))) return name;
  return `${name.replace(/\.\w{1,5}$/, '') || 'picture'}.${ending}`;
}
