// SPDX-License-Identifier: Apache-2.0

// The pictures of people: XEP-0084 v1.1.4. What a picture is stands at one node, the picture at another.
import { attr, children, type Element, text, x } from '../xml/element';

export const NODE_METADATA = 'urn:xmpp:avatar:metadata';
export const NODE_DATA = 'urn:xmpp:avatar:data';

export interface Info {
  readonly id: string; // SHA-1 of the picture, in hexadecimal digits
  readonly type: string; // image/…
  readonly bytes: number;
  readonly width: number; // pixels, 0 = not said
  readonly height: number;
}

/** metadata says what the picture is; undefined: there is none any more (§3.5). */
export function metadata(info: Info | undefined): Element {
  if (!info) return x(NODE_METADATA, 'metadata');
  const { id, type, bytes, width, height } = info;
  const attrs = { id, type, bytes: String(bytes), width: String(width), height: String(height) };
  return x(NODE_METADATA, 'metadata', {}, x(NODE_METADATA, 'info', attrs));
}

/**
 * readMetadata returns the picture that is kept at the data node: an info with a URL lies elsewhere, and who fetched it
 * would tell that place who looks (§4.2.1). undefined: there is none.
 */
export function readMetadata(payload: Element | undefined): Info | undefined {
  if (payload?.ns !== NODE_METADATA || payload.name !== 'metadata') return undefined;
  const here = children(payload, NODE_METADATA, 'info').find((i) => attr(i, 'url') === '' && HASH.test(attr(i, 'id')));
  if (!here) return undefined;
  const type = attr(here, 'type');
  return {
    id: attr(here, 'id').toLowerCase(),
    type: TYPES.test(type) ? type : 'image/png',
    bytes: count(attr(here, 'bytes')),
    width: count(attr(here, 'width')),
    height: count(attr(here, 'height')),
  };
}

/** data is the picture itself (§4.1). */
export function data(base64: string): Element {
  return x(NODE_DATA, 'data', {}, base64);
}

/** readData returns the picture in base64, '' where there is none. Line feeds may be in it (§4.1). */
export function readData(payload: Element | undefined): string {
  return payload?.ns === NODE_DATA && payload.name === 'data' ? text(payload).replace(/\s+/g, '') : '';
}

const HASH = /^[0-9a-fA-F]{40}$/;
const TYPES = /^image\/(?:png|jpeg|gif|webp|avif)$/; // pictures that cannot run anything

function count(s: string): number {
  return /^\d{1,9}$/.test(s) ? Number(s) : 0;
}
