// SPDX-License-Identifier: Apache-2.0

// What the server in memory does beside messages and contacts: pictures and names, blocking, devices, a place for files,
// and registrations for pushes. Like the rest it is not the measure of anything.
import { attr, child, elements, type Element, x } from '../../xml/element';
import type { Connection, FakeServer } from './server';

const C = 'jabber:client';
const ERRORS = 'urn:ietf:params:xml:ns:xmpp-stanzas';
const PUBSUB = 'http://jabber.org/protocol/pubsub';
const BLOCKING = 'urn:xmpp:blocking';
const CAM = 'urn:xmpp:cam:0';
const UPLOAD = 'urn:xmpp:http:upload:0';
const PUSH = 'https://kith.im/ns/webpush/0';
const MORE = 'https://kith.im/protocol/clients';

export interface FakeClient {
  readonly id: string;
  readonly device: string;
  readonly password?: boolean;
  readonly here?: boolean;
}

export class Services {
  readonly nodes = new Map<string, Map<string, Element>>(); // "address node" → items by id
  readonly asked: string[] = []; // what was asked of the pubsub of others, as "address node id"
  readonly blocked = new Set<string>();
  readonly reports: Element[] = [];
  clients: readonly FakeClient[] = [];
  readonly registered = new Set<string>(); // endpoints
  key = 'SERVERKEY'; // for pushes, '' = there are none
  testFails = ''; // the reason
  maxSize = 1000; // bytes of a file; 0: there is no place
  refuse: Element | undefined; // the error of the next slot
  slots = 0;

  constructor(private readonly server: FakeServer) {
    server.also = (from, iq) => this.answer(from, iq);
  }

  /** What somebody else published. */
  publish(address: string, node: string, id: string, payload: Element): void {
    this.node(address, node).set(id, payload);
  }

  /** Tells an account that somebody published something. */
  notify(to: string, from: string, node: string, id: string, payload: Element): void {
    const ns = `${PUBSUB}#event`;
    const event = x(ns, 'event', {}, x(ns, 'items', { node }, x(ns, 'item', { id }, payload)));
    for (const c of this.server.online(to)) c.deliver(x(C, 'message', { from, to: c.jid, type: 'headline' }, event));
  }

  /** Another device of the account blocked or unblocked. */
  pushBlock(to: string, kind: 'block' | 'unblock', ...addresses: string[]): void {
    const items = addresses.map((jid) => x(BLOCKING, 'item', { jid }));
    for (const c of this.server.online(to)) c.deliver(x(C, 'iq', { type: 'set', id: crypto.randomUUID(), to: c.jid }, x(BLOCKING, kind, {}, ...items)));
  }

  private node(address: string, name: string): Map<string, Element> {
    const key = `${address} ${name}`;
    const found = this.nodes.get(key) ?? new Map<string, Element>();
    this.nodes.set(key, found);
    return found;
  }

  private answer(c: Connection, iq: Element): boolean {
    if (attr(iq, 'type') !== 'get' && attr(iq, 'type') !== 'set') return false;
    const payload = elements(iq)[0] ?? x('', '');
    const to = attr(iq, 'to');
    const head = { id: attr(iq, 'id'), to: c.jid, from: to || undefined };
    const result = (...children: Element[]): boolean => {
      c.deliver(x(C, 'iq', { type: 'result', ...head }, ...children));
      return true;
    };
    const error = (condition: string, ...more: Element[]): boolean => {
      c.deliver(x(C, 'iq', { type: 'error', ...head }, x(C, 'error', { type: 'cancel' }, x(ERRORS, condition), ...more)));
      return true;
    };
    switch (payload.ns) {
      case PUBSUB: return this.pubsub(to || (c.account?.address ?? ''), to !== '', elements(payload)[0] ?? x('', ''), result);
      case BLOCKING: return this.blocking(c, payload, result);
      case CAM: return this.access(payload, result, error);
      case PUSH: return this.pushes(payload, result, error);
      case UPLOAD: return this.slot(payload, result, error);
      case 'http://jabber.org/protocol/disco#items': return result(x(payload.ns, 'query', {}, this.maxSize > 0 && x(payload.ns, 'item', { jid: 'upload.kith.example' })));
      case 'http://jabber.org/protocol/disco#info': return to === 'upload.kith.example' && result(this.info(payload.ns));
      default: return false;
    }
  }

  private pubsub(address: string, others: boolean, what: Element, result: (...c: Element[]) => boolean): boolean {
    const node = this.node(address, attr(what, 'node'));
    const items = elements(what);
    if (what.name === 'publish') {
      for (const item of items) {
        const payload = elements(item)[0];
        if (payload) node.set(attr(item, 'id') || 'current', payload);
      }
      return result();
    }
    const ids = items.map((i) => attr(i, 'id'));
    if (others) this.asked.push([address, attr(what, 'node'), ...ids].join(' '));
    const found = [...node].filter(([id]) => ids.length === 0 || ids.includes(id)).slice(-1);
    return result(x(PUBSUB, 'pubsub', {}, x(PUBSUB, 'items', { node: attr(what, 'node') }, ...found.map(([id, p]) => x(PUBSUB, 'item', { id }, p)))));
  }

  private blocking(c: Connection, payload: Element, result: (...el: Element[]) => boolean): boolean {
    const addresses = elements(payload).map((i) => attr(i, 'jid'));
    if (payload.name === 'blocklist') return result(x(BLOCKING, 'blocklist', {}, ...[...this.blocked].map((jid) => x(BLOCKING, 'item', { jid }))));
    for (const item of elements(payload)) {
      const report = child(item, 'urn:xmpp:reporting:1', 'report');
      if (report) this.reports.push(report);
    }
    for (const a of addresses) {
      if (payload.name === 'block') this.blocked.add(a);
      else this.blocked.delete(a);
    }
    result();
    this.pushBlock(c.account?.address ?? '', payload.name === 'block' ? 'block' : 'unblock', ...addresses);
    return true;
  }

  private access(payload: Element, result: (...c: Element[]) => boolean, error: (condition: string, ...more: Element[]) => boolean): boolean {
    if (payload.name === 'list') {
      const all = this.clients.map((c) =>
        x(
          CAM,
          'client',
          { id: c.id, connected: String(c.here ?? false), type: 'session' },
          x(CAM, 'last-seen', {}, '2026-11-20T10:00:00Z'),
          x(CAM, 'auth', {}, c.password ? x(CAM, 'password') : x(CAM, 'fast')),
          x(CAM, 'permission', { status: 'normal' }),
          x(CAM, 'user-agent', {}, x(CAM, 'software', {}, 'Kith'), x(CAM, 'device', {}, c.device)),
          c.here && x(MORE, 'here'),
        ),
      );
      return result(x(CAM, 'clients', {}, ...all));
    }
    const it = this.clients.find((c) => c.id === attr(payload, 'id'));
    if (!it) return error('item-not-found');
    if (it.password) return error('service-unavailable', x(CAM, 'password-reset-required'));
    this.clients = this.clients.filter((c) => c !== it);
    return result();
  }

  private pushes(payload: Element, result: (...c: Element[]) => boolean, error: (condition: string, ...more: Element[]) => boolean): boolean {
    if (this.key === '') return error('service-unavailable');
    switch (payload.name) {
      case 'registrations': {
        const all = [...this.registered].map((e, i) => x(PUSH, 'registration', { id: String(i), kind: 'web', this: 'true', client: 'c1', service: new URL(e).host }));
        return result(x(PUSH, 'registrations', { vapid: this.key }, ...all));
      }
      case 'enable':
        this.registered.clear();
        this.registered.add(attr(child(payload, PUSH, 'webpush') ?? x('', ''), 'endpoint'));
        return result(x(PUSH, 'registered', { id: '1' }));
      case 'disable':
        this.registered.clear();
        return result();
      default: return this.testFails === '' ? result() : error('undefined-condition', x(PUSH, 'failure', { reason: this.testFails }));
    }
  }

  private slot(payload: Element, result: (...c: Element[]) => boolean, error: (condition: string, ...more: Element[]) => boolean): boolean {
    const refuse = this.refuse;
    this.refuse = undefined;
    if (refuse) return error('resource-constraint', refuse);
    if (Number(attr(payload, 'size')) > this.maxSize) return error('not-acceptable', x(UPLOAD, 'file-too-large', {}, x(UPLOAD, 'max-file-size', {}, String(this.maxSize))));
    const url = `https://upload.kith.example/${++this.slots}/${encodeURIComponent(attr(payload, 'filename'))}`;
    return result(x(UPLOAD, 'slot', {}, x(UPLOAD, 'put', { url }, x(UPLOAD, 'header', { name: 'Authorization' }, 'Bearer\n x'), x(UPLOAD, 'header', { name: 'Host' }, 'evil')), x(UPLOAD, 'get', { url })));
  }

  private info(ns: string): Element {
    const field = (name: string, value: string): Element => x('jabber:x:data', 'field', { var: name }, x('jabber:x:data', 'value', {}, value));
    const form = x('jabber:x:data', 'x', { type: 'result' }, field('FORM_TYPE', UPLOAD), field('max-file-size', String(this.maxSize)));
    return x(ns, 'query', {}, x(ns, 'feature', { var: UPLOAD }), form);
  }
}
