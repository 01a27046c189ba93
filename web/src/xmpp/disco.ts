// SPDX-License-Identifier: Apache-2.0

// What this app can do: XEP-0030 v2.5.0 and its hash for presence, XEP-0115 v1.6.0.
import { attr, child, children, type Element, x } from '../xml/element';

export const NS_DISCO_INFO = 'http://jabber.org/protocol/disco#info';
const NS_CAPS = 'http://jabber.org/protocol/caps';
const NODE = 'https://kith.im/';

export interface Info {
  readonly category: string;
  readonly type: string;
  readonly name: string;
  readonly features: readonly string[];
}

export const INFO: Info = {
  category: 'client',
  type: 'web',
  name: 'Kith',
  features: [
    'http://jabber.org/protocol/caps',
    'http://jabber.org/protocol/chatstates',
    NS_DISCO_INFO,
    'http://jabber.org/protocol/nick',
    'http://jabber.org/protocol/nick+notify',
    'jabber:iq:version',
    'jabber:x:oob',
    'urn:xmpp:avatar:metadata+notify',
    'urn:xmpp:mds:displayed:0+notify',
    'urn:xmpp:ping',
    'urn:xmpp:receipts',
    'urn:xmpp:sfs:0',
    'urn:xmpp:time',
  ],
};

/** The answer to a query for our info; the node asked for is given back (XEP-0030 §3.1). */
export function info(query: Element): Element {
  const node = attr(query, 'node');
  return x(
    NS_DISCO_INFO,
    'query',
    { node: node || undefined },
    x(NS_DISCO_INFO, 'identity', { category: INFO.category, type: INFO.type, name: INFO.name }),
    ...INFO.features.map((f) => x(NS_DISCO_INFO, 'feature', { var: f })),
  );
}

/** Asks what an address can do (XEP-0030 §3.1). */
export function ask(): Element {
  return x(NS_DISCO_INFO, 'query');
}

/** The features in the answer. */
export function featuresOf(iq: Element): ReadonlySet<string> {
  const query = child(iq, NS_DISCO_INFO, 'query');
  return new Set(query ? children(query, NS_DISCO_INFO, 'feature').map((f) => attr(f, 'var')) : []);
}

/** ver is the hash of an info (XEP-0115 §5.1). */
export async function ver(of: Info): Promise<string> {
  const s = `${of.category}/${of.type}//${of.name}<${of.features.toSorted((a, b) => (a < b ? -1 : 1)).map((f) => `${f}<`).join('')}`;
  const sum = new Uint8Array(await crypto.subtle.digest('SHA-1', new TextEncoder().encode(s)));
  return btoa(String.fromCharCode(...sum));
}

/** The element that goes with our presence (XEP-0115 §4). */
export async function caps(): Promise<Element> {
  return x(NS_CAPS, 'c', { hash: 'sha-1', node: NODE, ver: await ver(INFO) });
}
