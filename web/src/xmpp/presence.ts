// SPDX-License-Identifier: Apache-2.0

// Who is there (RFC 6121 §4) and who may see it (§3).
import { attr, childText, type Element, x } from '../xml/element';
import { NS_CLIENT } from './ns';

const NS_PARS = 'urn:xmpp:pars:0';
const NS_NICK = 'http://jabber.org/protocol/nick'; // XEP-0172

export type Availability = 'online' | 'away' | 'busy' | 'offline';

export interface Presence {
  readonly from: string; // full address
  readonly show: Availability;
  readonly status: string;
  readonly priority: number;
}

/** Our presence, with what this app can do (a XEP-0115 element). */
export function available(caps: Element): Element {
  return x(NS_CLIENT, 'presence', {}, caps);
}

export function unavailable(): Element {
  return x(NS_CLIENT, 'presence', { type: 'unavailable' });
}

/** RFC 6121 §3: ask, agree, refuse or take back. */
export function subscription(type: 'subscribe' | 'subscribed' | 'unsubscribed', to: string): Element {
  return x(NS_CLIENT, 'presence', { type, to });
}

/** A request by the invitation of whoever is asked, so that they need not answer (XEP-0379 v0.3.3 §3.4). */
export function invited(to: string, token: string): Element {
  return x(NS_CLIENT, 'presence', { type: 'subscribe', to }, x(NS_PARS, 'preauth', { token }));
}

/** The kind of a presence stanza; 'other' for probes, errors and what is not known. */
export function kind(el: Element): 'presence' | 'subscribe' | 'subscribed' | 'unsubscribe' | 'unsubscribed' | 'other' {
  const type = attr(el, 'type');
  if (type === '' || type === 'unavailable') return 'presence';
  return type === 'subscribe' || type === 'subscribed' || type === 'unsubscribe' || type === 'unsubscribed' ? type : 'other';
}

export function read(el: Element): Presence {
  const show = childText(el, NS_CLIENT, 'show')?.trim() ?? '';
  const priority = Number(childText(el, NS_CLIENT, 'priority') ?? '0');
  return {
    from: attr(el, 'from'),
    show: attr(el, 'type') === 'unavailable' ? 'offline' : show === 'away' || show === 'xa' ? 'away' : show === 'dnd' ? 'busy' : 'online',
    status: childText(el, NS_CLIENT, 'status')?.trim() ?? '',
    priority: Number.isInteger(priority) ? priority : 0,
  };
}

/** What somebody wrote beside a request: their words, else the name they go by; '' for neither. */
export function note(el: Element): string {
  return (childText(el, NS_CLIENT, 'status') || childText(el, NS_NICK, 'nick') || '').trim();
}
