// SPDX-License-Identifier: Apache-2.0

// XEP-0203 v2.0: when a message was sent that comes late.
import { attr, children, type Element } from '../xml/element';
import { bare, domain } from './jid';

/** When it was given to our server or kept for our account, in ms since 1970. What others wrote does not count. */
export function stampOf(el: Element, own: string): number | undefined {
  for (const delay of children(el, 'urn:xmpp:delay', 'delay')) {
    const by = bare(attr(delay, 'from')); // XEP-0203 §2: it may be missing
    if (by !== '' && by !== own && by !== domain(own)) continue;
    const at = Date.parse(attr(delay, 'stamp'));
    if (!Number.isNaN(at)) return at;
  }
  return undefined;
}
