// SPDX-License-Identifier: Apache-2.0

// XEP-0184 v1.4.0: the other side's device has the message.
import { attr, child, type Element, x } from '../xml/element';
import { NS_CLIENT } from './ns';

export const NS_RECEIPTS = 'urn:xmpp:receipts';

export function request(): Element {
  return x(NS_RECEIPTS, 'request');
}

export function wantsReceipt(message: Element): boolean {
  return attr(message, 'id') !== '' && child(message, NS_RECEIPTS, 'request') !== undefined;
}

/** The receipt for the message with that id, with something for our own server. It never asks for one itself (§5.4). */
export function receipt(to: string, id: string, more?: Element): Element {
  return x(NS_CLIENT, 'message', { type: 'chat', to, id: crypto.randomUUID() }, x(NS_RECEIPTS, 'received', { id }), x('urn:xmpp:hints', 'store'), more);
}

/** The id of the message this is a receipt for, '' where it is none. */
export function receivedOf(message: Element): string {
  const el = child(message, NS_RECEIPTS, 'received');
  return el ? attr(el, 'id') : '';
}
