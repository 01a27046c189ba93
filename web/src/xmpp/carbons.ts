// SPDX-License-Identifier: Apache-2.0

// XEP-0280 v1.0.1: copies of what our other devices get and send, forwarded as XEP-0297 v1.0 says.
import { attr, child, type Element, x } from '../xml/element';
import { NS_CLIENT } from './ns';

const NS_CARBONS = 'urn:xmpp:carbons:2';
const NS_FORWARD = 'urn:xmpp:forward:0';

/** What asks for the copies, where the log-in could not. */
export function enable(): Element {
  return x(NS_CARBONS, 'enable');
}

export interface Copy {
  readonly sent: boolean; // by another device of ours
  readonly message: Element;
}

/** The copy in a message; undefined where it is none. One that is not from our own account counts for nothing (§11). */
export function copyIn(el: Element, own: string): Copy | undefined {
  const sent = child(el, NS_CARBONS, 'sent');
  const copy = sent ?? child(el, NS_CARBONS, 'received');
  const message = copy && (attr(el, 'from') || own) === own ? forwarded(copy) : undefined;
  return message && { sent: sent !== undefined, message };
}

/** The message within a XEP-0297 wrapper. */
export function forwarded(outer: Element): Element | undefined {
  const el = child(outer, NS_FORWARD, 'forwarded');
  return el && child(el, NS_CLIENT, 'message');
}

/** The time that stands beside a forwarded message (XEP-0203), in ms since 1970. */
export function forwardedAt(outer: Element): number | undefined {
  const el = child(outer, NS_FORWARD, 'forwarded');
  const delay = el && child(el, 'urn:xmpp:delay', 'delay');
  const at = delay ? Date.parse(attr(delay, 'stamp')) : Number.NaN;
  return Number.isNaN(at) ? undefined : at;
}
