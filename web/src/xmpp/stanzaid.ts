// SPDX-License-Identifier: Apache-2.0

// XEP-0359 v0.7.0: two ids that stay: the sender's, and the archive's.
import { attr, child, children, type Element, x } from '../xml/element';

const NS_SID = 'urn:xmpp:sid:0';

export function originId(id: string): Element {
  return x(NS_SID, 'origin-id', { id });
}

export function originOf(el: Element): string {
  const origin = child(el, NS_SID, 'origin-id');
  return origin ? attr(origin, 'id') : '';
}

/** The id that `by` gave; ids by anybody else are not to be trusted (§6). */
export function idBy(el: Element, by: string): string {
  const found = children(el, NS_SID, 'stanza-id').find((c) => attr(c, 'by') === by);
  return found ? attr(found, 'id') : '';
}
