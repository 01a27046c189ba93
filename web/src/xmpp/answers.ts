// SPDX-License-Identifier: Apache-2.0

// What others may ask of this device: XEP-0030 info, XEP-0199 v2.0.1 ping, XEP-0092 v1.1 version,
// XEP-0202 v2.0 time. Anything else is refused, as RFC 6120 §8.4 demands.
import { attr, elements, type Element, x } from '../xml/element';
import { info, NS_DISCO_INFO } from './disco';
import { NS_CLIENT } from './ns';

const NS_ERRORS = 'urn:ietf:params:xml:ns:xmpp-stanzas';

export interface Self {
  readonly version: string;
  readonly now: () => number; // ms since 1970
}

/** answer is the answer to a query (a get or set). */
export function answer(iq: Element, self: Self): Element {
  const asked = elements(iq)[0];
  const payload = asked && attr(iq, 'type') === 'get' ? read(asked, self) : undefined;
  if (payload === undefined) return refusal(iq);
  return result(iq, payload);
}

/** An empty result, or one with a payload. */
export function result(iq: Element, payload?: Element | null): Element {
  const attrs = { type: 'result', id: attr(iq, 'id'), to: attr(iq, 'from') || undefined };
  return x(NS_CLIENT, 'iq', attrs, payload ?? undefined);
}

function refusal(iq: Element): Element {
  const attrs = { type: 'error', id: attr(iq, 'id'), to: attr(iq, 'from') || undefined };
  return x(NS_CLIENT, 'iq', attrs, x(NS_CLIENT, 'error', { type: 'cancel' }, x(NS_ERRORS, 'service-unavailable')));
}

/** null: done, with nothing to say; undefined: not known here. */
function read(asked: Element, self: Self): Element | null | undefined {
  if (asked.ns === 'urn:xmpp:ping' && asked.name === 'ping') return null;
  if (asked.ns === NS_DISCO_INFO && asked.name === 'query') return info(asked);
  if (asked.ns === 'jabber:iq:version' && asked.name === 'query') {
    return x(asked.ns, 'query', {}, x(asked.ns, 'name', {}, 'Kith'), x(asked.ns, 'version', {}, self.version));
  }
  if (asked.ns === 'urn:xmpp:time' && asked.name === 'time') return time(asked.ns, self.now());
  return undefined;
}

function time(ns: string, now: number): Element {
  const offset = -new Date(now).getTimezoneOffset();
  const hh = String(Math.floor(Math.abs(offset) / 60)).padStart(2, '0');
  const mm = String(Math.abs(offset) % 60).padStart(2, '0');
  const utc = `${new Date(now).toISOString().slice(0, 19)}Z`;
  return x(ns, 'time', {}, x(ns, 'tzo', {}, `${offset < 0 ? '-' : '+'}${hh}:${mm}`), x(ns, 'utc', {}, utc));
}
