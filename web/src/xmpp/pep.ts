// SPDX-License-Identifier: Apache-2.0

// What an account keeps under its address for itself and others: XEP-0163 v1.2.2, the part of XEP-0060 v1.30.0 that
// an account needs.
import { attr, child, elements, type Element, x } from '../xml/element';

const NS_PUBSUB = 'http://jabber.org/protocol/pubsub';
const NS_EVENT = 'http://jabber.org/protocol/pubsub#event';

export interface Item {
  readonly id: string;
  readonly payload: Element | undefined;
}

/** What was published or taken back at a node. */
export interface Event {
  readonly node: string;
  readonly items: readonly Item[];
  readonly retracted: readonly string[]; // ids
}

/** publish puts an item at a node of our own (XEP-0060 §7.1); without an id the server makes one. */
export function publish(node: string, id: string, payload: Element): Element {
  const item = x(NS_PUBSUB, 'item', { id: id || undefined }, payload);
  return x(NS_PUBSUB, 'pubsub', {}, x(NS_PUBSUB, 'publish', { node }, item));
}

/** retract takes an item back, and tells those who know it (XEP-0060 §7.2). */
export function retract(node: string, id: string): Element {
  return x(NS_PUBSUB, 'pubsub', {}, x(NS_PUBSUB, 'retract', { node, notify: 'true' }, x(NS_PUBSUB, 'item', { id })));
}

/** items asks for the items of these ids; without ids for the newest (XEP-0060 §6.5). */
export function items(node: string, ...ids: readonly string[]): Element {
  const wanted = ids.map((id) => x(NS_PUBSUB, 'item', { id }));
  const attrs = ids.length === 0 ? { node, max_items: '1' } : { node };
  return x(NS_PUBSUB, 'pubsub', {}, x(NS_PUBSUB, 'items', attrs, ...wanted));
}

/** readItems reads the answer to items(). */
export function readItems(iq: Element): Item[] {
  const pubsub = child(iq, NS_PUBSUB, 'pubsub');
  const list = pubsub && child(pubsub, NS_PUBSUB, 'items');
  return list ? itemsOf(list, NS_PUBSUB) : [];
}

/** eventOf reads what a node tells (XEP-0060 §7.1.2.1); undefined where a message carries no event. */
export function eventOf(message: Element): Event | undefined {
  const event = child(message, NS_EVENT, 'event');
  const list = event && child(event, NS_EVENT, 'items');
  if (!list) return undefined;
  const retracted = elements(list).filter((e) => e.ns === NS_EVENT && e.name === 'retract').map((e) => attr(e, 'id'));
  return { node: attr(list, 'node'), items: itemsOf(list, NS_EVENT), retracted };
}

function itemsOf(list: Element, ns: string): Item[] {
  return elements(list)
    .filter((e) => e.ns === ns && e.name === 'item')
    .map((e) => ({ id: attr(e, 'id'), payload: elements(e)[0] }));
}
