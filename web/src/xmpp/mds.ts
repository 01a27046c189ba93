// SPDX-License-Identifier: Apache-2.0

// XEP-0490 v1.0.1: up to where each chat was read, for our other devices. It is kept at a node of ours that only we
// may read (XEP-0223 v1.1.1), one item for each chat.
import { type Element, x } from '../xml/element';
import { NS_DATA } from './ns';
import { type Item } from './pep';
import { idBy } from './stanzaid';

export const NS_MDS = 'urn:xmpp:mds:displayed:0';
/** The feature by which our server says that it takes a marker out of a message and publishes it (§4.5). */
export const ASSIST = 'urn:xmpp:mds:server-assist:0';
/** Without this feature nothing is published: it might be open to all (§7). */
export const PUBLISH_OPTIONS = 'http://jabber.org/protocol/pubsub#publish-options';
const NS_PUBSUB = 'http://jabber.org/protocol/pubsub';

/** displayed is the marker: all up to the message with that id of our archive was read. */
export function displayed(own: string, id: string): Element {
  return x(NS_MDS, 'displayed', {}, x('urn:xmpp:sid:0', 'stanza-id', { by: own, id }));
}

/** Publishes the marker of a chat (§4.2). */
export function publish(chat: string, own: string, id: string): Element {
  const field = (name: string, value: string, type?: string): Element => x(NS_DATA, 'field', { var: name, type }, x(NS_DATA, 'value', {}, value));
  const options = x(
    NS_DATA,
    'x',
    { type: 'submit' },
    field('FORM_TYPE', PUBLISH_OPTIONS, 'hidden'),
    field('pubsub#persist_items', 'true'),
    field('pubsub#max_items', 'max'),
    field('pubsub#send_last_published_item', 'never'),
    field('pubsub#access_model', 'whitelist'),
  );
  return x(
    NS_PUBSUB,
    'pubsub',
    {},
    x(NS_PUBSUB, 'publish', { node: NS_MDS }, x(NS_PUBSUB, 'item', { id: chat }, displayed(own, id))),
    x(NS_PUBSUB, 'publish-options', {}, options),
  );
}

/** Asks for the markers of all chats (§4.4). */
export function all(): Element {
  return x(NS_PUBSUB, 'pubsub', {}, x(NS_PUBSUB, 'items', { node: NS_MDS }));
}

/** The markers among items of the node, as id by address of the chat. */
export function markers(items: readonly Item[], own: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const { id, payload } of items) {
    const marked = payload?.ns === NS_MDS && payload.name === 'displayed' ? idBy(payload, own) : '';
    if (id !== '' && marked !== '') found.set(id, marked);
  }
  return found;
}
