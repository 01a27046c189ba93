// SPDX-License-Identifier: Apache-2.0

// Pushes by the server to a browser whose app is closed: what the two say to each other, as doc/push.md describes it.
import { attr, child, children, elements, type Element, x } from '../xml/element';
import { NS_CLIENT } from './ns';

export const NS_PUSH = 'https://kith.im/ns/webpush/0';

/** How the browser can be reached: base64url, as PushSubscription.toJSON() has it. */
export interface Endpoint {
  readonly endpoint: string;
  readonly p256dh: string;
  readonly auth: string;
}

/** A device that is pushed to. Times are ms since 1970, 0 = never. */
export interface Registration {
  readonly id: string;
  readonly web: boolean; // else XEP-0357, of another app
  readonly here: boolean; // ours
  readonly client: string; // as in the list of devices
  readonly service: string;
  readonly since: number;
  readonly sent: number;
  readonly failed: number;
  readonly failures: number;
  readonly error: string;
}

export interface Registrations {
  readonly key: string; // the server's, base64url
  readonly all: readonly Registration[];
}

export function askRegistrations(): Element {
  return x(NS_PUSH, 'registrations');
}

export function readRegistrations(iq: Element): Registrations | undefined {
  const el = child(iq, NS_PUSH, 'registrations');
  if (!el || attr(el, 'vapid') === '') return undefined;
  const time = (r: Element, name: string): number => Date.parse(attr(r, name)) || 0;
  const all = children(el, NS_PUSH, 'registration').map((r) => ({
    id: attr(r, 'id'),
    web: attr(r, 'kind') === 'web',
    here: attr(r, 'this') === 'true',
    client: attr(r, 'client'),
    service: attr(r, 'service'),
    since: time(r, 'since'),
    sent: time(r, 'sent'),
    failed: time(r, 'failed'),
    failures: Number(attr(r, 'failures')) || 0,
    error: attr(r, 'error'),
  }));
  return { key: attr(el, 'vapid'), all };
}

export function enable(to: Endpoint): Element {
  return x(NS_PUSH, 'enable', {}, x(NS_PUSH, 'webpush', { endpoint: to.endpoint, p256dh: to.p256dh, auth: to.auth }));
}

/** id '': what this client has enabled. */
export function disable(id = ''): Element {
  return x(NS_PUSH, 'disable', { id: id || undefined });
}

export function test(): Element {
  return x(NS_PUSH, 'test');
}

/** Why a test did not arrive: gone, refused, busy, unreachable, forbidden-address, …; '' where the error says nothing of it. */
export function failureOf(iq: Element): string {
  const error = child(iq, NS_CLIENT, 'error');
  const failure = error && child(error, NS_PUSH, 'failure');
  return failure ? attr(failure, 'reason') : '';
}

/** What a push says. */
export interface Push {
  readonly kind: string; // message, call, call-end, request, test, or what a newer server knows
  readonly account: string; // whose it is
  readonly chat: string; // bare address, '' = not said
  readonly count: number; // messages of this chat that it stands for
  readonly stamp: number; // ms since 1970, 0 = not said
  readonly call: string; // id, '' for none
  readonly reason: string; // of call-end
  readonly stanza: Element | undefined;
}

/** read takes the element of a push apart; undefined where it is none. */
export function read(el: Element): Push | undefined {
  if (el.ns !== NS_PUSH || el.name !== 'push') return undefined;
  const count = Number(attr(el, 'count'));
  return {
    kind: attr(el, 'kind'),
    account: attr(el, 'account'),
    chat: attr(el, 'chat'),
    count: Number.isInteger(count) && count > 0 ? count : 1,
    stamp: Date.parse(attr(el, 'stamp')) || 0,
    call: attr(el, 'call'),
    reason: attr(el, 'reason'),
    stanza: elements(el).find((e) => e.ns === NS_CLIENT),
  };
}
