// SPDX-License-Identifier: Apache-2.0

// People whom one does not want to hear: XEP-0191 v1.3, and XEP-0377 v0.4.1 to tell who runs the server why.
import { attr, child, children, type Element, x } from '../xml/element';

const NS_BLOCKING = 'urn:xmpp:blocking';
const NS_REPORTING = 'urn:xmpp:reporting:1';

export interface Report {
  readonly reason: 'spam' | 'abuse';
  readonly ids: readonly string[]; // of the messages that show it, as our archive calls them
  readonly by: string; // whose archive: our bare address
}

export type Change = { readonly kind: 'block' | 'unblock'; readonly addresses: readonly string[] }; // unblock of nobody: of all

export function list(): Element {
  return x(NS_BLOCKING, 'blocklist');
}

/** The addresses of a list; undefined where it is none. */
export function readList(iq: Element): string[] | undefined {
  const el = child(iq, NS_BLOCKING, 'blocklist');
  return el && addresses(el);
}

export function block(address: string, report?: Report): Element {
  const ids = (report?.ids ?? []).map((id) => x('urn:xmpp:sid:0', 'stanza-id', { by: report?.by, id }));
  const why = report && x(NS_REPORTING, 'report', { reason: `urn:xmpp:reporting:${report.reason}` }, ...ids); // XEP-0377 §4
  return x(NS_BLOCKING, 'block', {}, x(NS_BLOCKING, 'item', { jid: address }, why));
}

export function unblock(address: string): Element {
  return x(NS_BLOCKING, 'unblock', {}, x(NS_BLOCKING, 'item', { jid: address }));
}

/** What another device of ours did (§3.3, §3.4, §3.5); undefined where the query is not about that. */
export function pushed(iq: Element): Change | undefined {
  for (const kind of ['block', 'unblock'] as const) {
    const el = child(iq, NS_BLOCKING, kind);
    if (el) return { kind, addresses: addresses(el) };
  }
  return undefined;
}

function addresses(el: Element): string[] {
  return children(el, NS_BLOCKING, 'item').map((i) => attr(i, 'jid')).filter((a) => a !== '');
}
