// SPDX-License-Identifier: Apache-2.0

// A place on the server for a file: XEP-0363 v1.2.0.
import { attr, child, children, childText, type Element, elements, text, x } from '../xml/element';
import { NS_CLIENT, NS_DATA } from './ns';

export const NS_UPLOAD = 'urn:xmpp:http:upload:0';

const NS_ITEMS = 'http://jabber.org/protocol/disco#items';
const NS_INFO = 'http://jabber.org/protocol/disco#info';
const HEADERS = ['authorization', 'cookie', 'expires']; // §4: no others

export interface Slot {
  readonly put: string;
  readonly get: string;
  readonly headers: readonly (readonly [string, string])[];
}

export function askItems(): Element {
  return x(NS_ITEMS, 'query');
}

/** The addresses of what belongs to a server (XEP-0030 §4). */
export function readItems(iq: Element): string[] {
  const query = child(iq, NS_ITEMS, 'query');
  return query ? children(query, NS_ITEMS, 'item').filter((i) => attr(i, 'node') === '').map((i) => attr(i, 'jid')) : [];
}

export function askInfo(): Element {
  return x(NS_INFO, 'query');
}

/** Whether files can be brought here, and how large they may be in bytes: 0 = no limit is told (§3). */
export function readInfo(iq: Element): { readonly max: number } | undefined {
  const query = child(iq, NS_INFO, 'query');
  if (!query || !children(query, NS_INFO, 'feature').some((f) => attr(f, 'var') === NS_UPLOAD)) return undefined;
  for (const form of children(query, NS_DATA, 'x')) {
    const values = new Map(children(form, NS_DATA, 'field').map((f) => [attr(f, 'var'), childText(f, NS_DATA, 'value') ?? '']));
    if (values.get('FORM_TYPE') === NS_UPLOAD) return { max: count(values.get('max-file-size') ?? '') };
  }
  return { max: 0 };
}

export function request(name: string, size: number, type: string): Element {
  return x(NS_UPLOAD, 'request', { filename: name, size: String(size), 'content-type': type || undefined });
}

export function readSlot(iq: Element): Slot | undefined {
  const slot = child(iq, NS_UPLOAD, 'slot');
  const put = slot && child(slot, NS_UPLOAD, 'put');
  const get = slot && child(slot, NS_UPLOAD, 'get');
  if (!put || !get || !isWeb(attr(put, 'url')) || !isWeb(attr(get, 'url'))) return undefined;
  const headers = children(put, NS_UPLOAD, 'header')
    .map((h) => [attr(h, 'name').replace(/[\r\n]/g, ''), text(h).replace(/[\r\n]/g, '')] as const)
    .filter(([name]) => HEADERS.includes(name.toLowerCase()));
  return { put: attr(put, 'url'), get: attr(get, 'url'), headers };
}

/** Why there is no place (§6): it is too large (max: what is allowed, 0 = not said), or not before a time (ms since 1970). */
export function refusal(iq: Element): { readonly max: number } | { readonly retry: number } | undefined {
  const error = elements(iq).find((e) => e.ns === NS_CLIENT && e.name === 'error');
  const large = error && child(error, NS_UPLOAD, 'file-too-large');
  if (large) return { max: count(childText(large, NS_UPLOAD, 'max-file-size') ?? '') };
  const retry = error && child(error, NS_UPLOAD, 'retry');
  return retry ? { retry: Date.parse(attr(retry, 'stamp')) || 0 } : undefined;
}

function count(s: string): number {
  return /^\d{1,15}$/.test(s.trim()) ? Number(s) : 0;
}

function isWeb(url: string): boolean {
  return /^https?:\/\/[^\s]+$/i.test(url);
}
