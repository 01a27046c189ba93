// SPDX-License-Identifier: Apache-2.0

// The contact list: RFC 6121 §2, with versions so that an unchanged list is not sent again (§2.6).
import { attr, child, children, type Element, text, x } from '../xml/element';

export const NS_ROSTER = 'jabber:iq:roster';

export type Subscription = 'none' | 'to' | 'from' | 'both';

export interface Item {
  readonly address: string;
  readonly name: string; // '' for none
  readonly subscription: Subscription | 'remove';
  readonly asked: boolean; // our request waits for an answer
  readonly groups: readonly string[];
}

/** ver: of the list we have, '' for none. */
export function get(ver: string): Element {
  return x(NS_ROSTER, 'query', { ver });
}

export function set(item: { address: string; name: string; groups: readonly string[] }): Element {
  const groups = item.groups.map((g) => x(NS_ROSTER, 'group', {}, g));
  return x(NS_ROSTER, 'query', {}, x(NS_ROSTER, 'item', { jid: item.address, name: item.name || undefined }, ...groups));
}

export function remove(address: string): Element {
  return x(NS_ROSTER, 'query', {}, x(NS_ROSTER, 'item', { jid: address, subscription: 'remove' }));
}

/** The list in a result or a push; undefined where there is none, which means: what you have is current (§2.6.3). */
export function read(iq: Element): { ver: string; items: Item[] } | undefined {
  const query = child(iq, NS_ROSTER, 'query');
  return query && { ver: attr(query, 'ver'), items: children(query, NS_ROSTER, 'item').map(item) };
}

function item(el: Element): Item {
  const s = attr(el, 'subscription');
  return {
    address: attr(el, 'jid'),
    name: attr(el, 'name'),
    subscription: s === 'to' || s === 'from' || s === 'both' || s === 'remove' ? s : 'none',
    asked: attr(el, 'ask') === 'subscribe',
    groups: children(el, NS_ROSTER, 'group').map(text),
  };
}
