// SPDX-License-Identifier: Apache-2.0

// A small server in memory for tests: enough of SASL2, Bind 2, FAST, acknowledgements, contacts and
// messages to run the app against, and switches to make it misbehave. Sessions that can be resumed, an archive with
// copies for other devices, and nodes of the account's own are there where a test switches them on. Not the measure of anything: the
// measure is the real server.
import { attr, child, children, childText, elements, type Element, text, x } from '../../xml/element';
import { parse } from '../../xml/parse';
import { serialize } from '../../xml/serialize';
import { fromBase64, hmac, toBase64, utf8 } from '../bytes';
import type { Dial, Socket } from '../socket';
import { answerQuery, type Entry, resultOf } from './archive';

const C = 'jabber:client';
const S2 = 'urn:xmpp:sasl:2';
const FAST = 'urn:xmpp:fast:0';
const LIMITS = 'urn:xmpp:stream-limits:0';
const SM = 'urn:xmpp:sm:3';
const ROSTER = 'jabber:iq:roster';
const CARBONS = 'urn:xmpp:carbons:2';
const CSI = 'urn:xmpp:csi:0';
const MAM = 'urn:xmpp:mam:2';
const BIND = 'urn:xmpp:bind:0';
const PUBSUB = 'http://jabber.org/protocol/pubsub';
const SID = 'urn:xmpp:sid:0';
const ERRORS = 'urn:ietf:params:xml:ns:xmpp-stanzas';

interface Item {
  name: string;
  subscription: 'none' | 'to' | 'from' | 'both';
  ask: boolean;
}

export class FakeAccount {
  readonly tokens = new Set<string>();
  readonly codes = new Set<string>();
  readonly roster = new Map<string, Item>();
  readonly offline: Element[] = [];
  readonly pending = new Set<string>(); // who asks
  disabled = false;
  readonly archive: Entry[] = [];
  readonly nodes = new Map<string, Map<string, Element>>(); // items by id

  constructor(readonly address: string, public password: string) {}
}

export class FakeServer {
  readonly accounts = new Map<string, FakeAccount>();
  readonly connections = new Set<Connection>();
  /** What clients sent after they had logged in, acknowledgements left out. */
  readonly received: Element[] = [];
  readonly tries: string[] = []; // mechanisms of all log-ins
  reachable = true;
  /** Answers a query in place of what stands here; false: it does not. */
  also: ((from: Connection, iq: Element) => boolean) | undefined;
  lagging = false; // answers, but handles nothing yet
  maxBytes = 0; // of a stanza, as it says (XEP-0478); 0: it says nothing
  silent = false; // takes stanzas and does not acknowledge or deliver them
  now = (): number => Date.now();
  asks = 0; // stanzas after which it asks how far we are; 0: never
  sleeps = false; // sessions can be resumed
  archives = false; // messages are archived and copied
  metadata = true; // a new session learns where the archive ends
  readonly features = ['urn:xmpp:mam:2#extended', `${PUBSUB}#publish-options`]; // of an account
  page = 1_000; // entries that a page of the archive has at most
  readonly sleeping = new Map<string, Connection>();
  private resources = 0;
  private entries = 0;

  constructor(readonly domain = 'kith.example') {}

  add(name: string, password = 'correct horse'): FakeAccount {
    const account = new FakeAccount(`${name}@${this.domain}`, password);
    this.accounts.set(name, account);
    return account;
  }

  /** Makes two accounts contacts of each other. */
  befriend(a: string, b: string): void {
    for (const [one, two] of [[a, b], [b, a]] as const) {
      this.accounts.get(one)?.roster.set(`${two}@${this.domain}`, { name: '', subscription: 'both', ask: false });
    }
  }

  readonly dial: Dial = () => {
    const connection: Connection = new Connection(this, () => this.connections.delete(connection), ++this.resources);
    if (this.reachable) {
      this.connections.add(connection);
      queueMicrotask(() => connection.socket.onopen?.());
    } else queueMicrotask(() => connection.cut());
    return connection.socket;
  };

  /** The sockets are gone, without a word. */
  cut(): void {
    for (const c of this.connections) c.cut();
  }

  online(bare: string): Connection[] {
    return [...this.connections, ...this.sleeping.values()].filter((c) => c.account?.address === bare && c.available);
  }

  /** The sessions that sleep cannot be resumed any more. */
  forgetSessions(): void {
    for (const [id, c] of this.sleeping) {
      this.sleeping.delete(id);
      c.leave();
    }
  }

  /** Puts a message into an archive; returns it with its id. */
  keep(account: FakeAccount, el: Element, peer: string): Element {
    const id = `a${String(++this.entries).padStart(6, '0')}`;
    account.archive.push({ id, time: this.now(), peer, el });
    return { ...el, children: [...el.children, x(SID, 'stanza-id', { by: account.address, id })] };
  }

  /** What an account sends: to its archive, and as a copy to its other devices. */
  sentBy(account: FakeAccount, el: Element, except?: Connection): void {
    const kept = isKept(el) ? this.keep(account, el, attr(el, 'to').split('/')[0] ?? '') : el;
    this.copy(account, 'sent', kept, this.online(account.address).filter((c) => c !== except));
  }

  /** Puts an item at a node of an account, and tells its devices. */
  publish(account: FakeAccount, name: string, item: Element): void {
    const ns = `${PUBSUB}#event`;
    const node = account.nodes.get(name) ?? new Map<string, Element>();
    account.nodes.set(name, node.set(attr(item, 'id'), item));
    const event = x(ns, 'event', {}, x(ns, 'items', { node: name }, { ...item, ns }));
    for (const c of this.online(account.address)) c.deliver(x(C, 'message', { from: account.address, to: c.jid, type: 'headline' }, event));
  }

  private copy(account: FakeAccount, name: 'sent' | 'received', el: Element, to: readonly Connection[]): void {
    const forwarded = x(CARBONS, name, {}, x('urn:xmpp:forward:0', 'forwarded', {}, el));
    for (const c of to) if (c.carbons) c.deliver(x(C, 'message', { from: account.address, to: c.jid, type: 'chat' }, forwarded));
  }

  /** Delivers a stanza from anybody to the account it is for. */
  route(el: Element): void {
    const to = attr(el, 'to');
    const bare = to.split('/')[0] ?? '';
    const account = this.accounts.get(bare.split('@')[0] ?? '');
    const sessions = this.online(bare);
    const hit = sessions.filter((c) => c.jid === to);
    const targets = hit.length > 0 ? hit : to.includes('/') && el.name !== 'message' ? [] : sessions;
    if (this.archives && account && el.name === 'message' && bare === account.address) {
      const kept = isKept(el) ? this.keep(account, el, attr(el, 'from').split('/')[0] ?? '') : el;
      for (const c of targets) c.deliver(kept);
      this.copy(account, 'received', kept, sessions.filter((c) => !targets.includes(c)));
      return;
    }
    for (const c of targets) c.deliver(el);
    if (targets.length > 0 || el.name !== 'message') return;
    if (account && bare.endsWith(`@${this.domain}`)) {
      if (childText(el, C, 'body') === undefined && !child(el, 'urn:xmpp:receipts', 'received')) return;
      const stamp = new Date(this.now()).toISOString();
      account.offline.push({ ...el, children: [...el.children, x('urn:xmpp:delay', 'delay', { stamp, from: this.domain })] });
    } else if (attr(el, 'type') !== 'error') {
      this.route(bounce(el, 'cancel', 'service-unavailable'));
    }
  }
}

function isKept(el: Element): boolean {
  return attr(el, 'type') !== 'error' && (childText(el, C, 'body') !== undefined || child(el, 'urn:xmpp:hints', 'store') !== undefined);
}

function bounce(el: Element, type: string, condition: string): Element {
  const attrs = { ...el.attrs, type: 'error', from: attr(el, 'to'), to: attr(el, 'from') };
  return { ...el, attrs, children: [...el.children, x(C, 'error', { type }, x(ERRORS, condition))] };
}

export class Connection {
  readonly socket: Socket;
  account: FakeAccount | undefined;
  jid = '';
  available = false;
  presence: Element | undefined;
  asked = 0; // how often the client asked for an acknowledgement
  sent = 0;
  acked = 0; // the client's last h
  carbons = false;
  active = true;
  readonly states: string[] = []; // in which the client said to be
  private id = ''; // by which it can be resumed
  private queue: Element[] = []; // not acknowledged
  private taken = 0;
  private told = 0; // the h of the last acknowledgement
  private over = false;
  private scram: { name: string; first: string; nonce: string; salt: string } | undefined;
  private request: Element | undefined;
  private turn = Promise.resolve();

  constructor(private readonly server: FakeServer, private readonly gone: () => void, private readonly n: number) {
    this.socket = {
      send: (data) => {
        if (!this.over) this.turn = this.turn.then(() => this.receive(parse(data)));
      },
      close: () => this.cut(),
      onopen: null,
      onmessage: null,
      onclose: null,
    };
  }

  /** Writes an element; frames arrive later, as they do. */
  write(el: Element): void {
    const data = serialize(el);
    queueMicrotask(() => {
      if (!this.over) this.socket.onmessage?.(data);
    });
  }

  deliver(el: Element): void {
    this.sent++;
    this.queue.push(el);
    this.write(el);
    if (this.server.asks > 0 && this.sent % this.server.asks === 0) this.write(x(SM, 'r'));
  }

  /** good: the client says good-bye. */
  cut(good = false): void {
    if (this.over) return;
    this.over = true;
    this.gone();
    if (this.id !== '' && !good) this.server.sleeping.set(this.id, this);
    else if (this.available) this.leave();
    queueMicrotask(() => this.socket.onclose?.());
  }

  private ack(h: number): void {
    this.queue.splice(0, h - this.acked);
    this.acked = h;
  }

  /** Goes on with a session that sleeps (XEP-0198 §5). */
  private resume(previous: Connection, h: number): void {
    const { account, jid, available, presence, carbons, sent, acked, id, queue, taken } = previous;
    Object.assign(this, { account, jid, available, presence, carbons, sent, acked, id, queue, taken });
    this.server.sleeping.delete(id);
    if (h < acked || h > sent) throw new Error(`resumed with ${h} of ${sent}, after ${acked}`);
    this.ack(h);
  }

  private async receive(el: Element): Promise<void> {
    if (this.over) return;
    if (el.name === 'open') {
      this.write(x(el.ns, 'open', { from: this.server.domain, id: String(this.n), version: '1.0' }));
      if (attr(el, 'to') !== this.server.domain) return this.fail('host-unknown');
      this.write(this.features());
    } else if (el.name === 'close') {
      this.cut(true);
    } else if (el.ns === S2) {
      await this.sasl(el);
    } else if (el.ns === SM) {
      if (el.name === 'a') this.ack(Number(attr(el, 'h')));
      else if (!this.server.silent) {
        if (!this.server.lagging) this.told = this.taken;
        this.write(x(SM, 'a', { h: String(this.told) }));
      }
      if (el.name === 'r') this.asked++;
    } else if (el.ns === CSI) {
      this.active = el.name === 'active';
      this.states.push(el.name);
    } else if (el.ns === C && this.account && !this.server.silent) {
      this.taken++;
      this.server.received.push(el);
      this.stanza({ ...el, attrs: { ...el.attrs, from: this.jid } });
    }
  }

  fail(condition: string): void {
    this.write(x('http://etherx.jabber.org/streams', 'error', {}, x('urn:ietf:params:xml:ns:xmpp-streams', condition)));
    queueMicrotask(() => queueMicrotask(() => this.cut()));
  }

  private features(): Element {
    const m = (name: string): Element => x(S2, 'mechanism', {}, name);
    return x(
      'http://etherx.jabber.org/streams',
      'features',
      {},
      x(
        S2,
        'authentication',
        {},
        m('SCRAM-SHA-256'),
        m('SCRAM-SHA-1'),
        x(
          S2,
          'inline',
          {},
          x(BIND, 'bind', {}, x(BIND, 'inline', {}, ...[SM, CARBONS, CSI].map((name) => x(BIND, 'feature', { var: name })))),
          this.server.sleeps && x(SM, 'sm'),
          x(FAST, 'fast', {}, x(FAST, 'mechanism', {}, 'HT-SHA-256-NONE')),
        ),
      ),
    );
  }

  private async sasl(el: Element): Promise<void> {
    if (el.name === 'authenticate') {
      this.request = el;
      const mechanism = attr(el, 'mechanism');
      this.server.tries.push(mechanism);
      const initial = new TextDecoder().decode(fromBase64(childText(el, S2, 'initial-response') ?? ''));
      if (mechanism.startsWith('HT-')) return this.token(childText(el, S2, 'initial-response') ?? '');
      const first = initial.slice(3);
      const name = /n=([^,]*)/.exec(first)?.[1] ?? '';
      const nonce = `${/r=(.*)$/.exec(first)?.[1] ?? ''}server`;
      const salt = toBase64(utf8('salt'));
      this.scram = { name, first: `${first},r=${nonce},s=${salt},i=4096`, nonce, salt };
      this.write(x(S2, 'challenge', {}, toBase64(utf8(`r=${nonce},s=${salt},i=4096`))));
    } else if (el.name === 'response') await this.proof(new TextDecoder().decode(fromBase64(text(el))));
  }

  private async proof(final: string): Promise<void> {
    const hash = attr(this.request ?? x('', ''), 'mechanism') === 'SCRAM-SHA-1' ? 'SHA-1' : 'SHA-256';
    const account = this.server.accounts.get(this.scram?.name ?? '');
    const base = await crypto.subtle.importKey('raw', utf8(account?.password ?? ''), 'PBKDF2', false, ['deriveBits']);
    const bits = { name: 'PBKDF2', hash, salt: utf8('salt'), iterations: 4096 };
    const salted = new Uint8Array(await crypto.subtle.deriveBits(bits, base, hash === 'SHA-1' ? 160 : 256));
    const [bare = '', p = ''] = final.split(',p=');
    const auth = utf8(`${this.scram?.first ?? ''},${bare}`);
    const clientKey = await hmac(hash, salted, utf8('Client Key'));
    const signature = await hmac(hash, new Uint8Array(await crypto.subtle.digest(hash, clientKey)), auth);
    const want = toBase64(clientKey.map((b, i) => b ^ (signature[i] ?? 0)));
    const server = await hmac(hash, await hmac(hash, salted, utf8('Server Key')), auth);
    if (!account || p !== want) return this.refuse('not-authorized');
    this.succeed(account, `v=${toBase64(server)}`);
  }

  private async token(initial: string): Promise<void> {
    const raw = fromBase64(initial);
    const zero = raw.indexOf(0);
    const account = this.server.accounts.get(new TextDecoder().decode(raw.slice(0, zero)));
    for (const secret of [...(account?.tokens ?? []), ...(account?.codes ?? [])]) {
      if (toBase64(await hmac('SHA-256', utf8(secret), utf8('Initiator'))) !== toBase64(raw.slice(zero + 1))) continue;
      account?.codes.delete(secret);
      const fast = this.request && child(this.request, FAST, 'fast');
      if (fast && attr(fast, 'invalidate') === 'true') account?.tokens.delete(secret);
      const answer = await hmac('SHA-256', utf8(secret), utf8('Responder'));
      if (account) return this.succeed(account, String.fromCharCode(...answer));
    }
    this.refuse('not-authorized');
  }

  private refuse(condition: string): void {
    this.write(x(S2, 'failure', {}, x('urn:ietf:params:xml:ns:xmpp-sasl', condition)));
  }

  private succeed(account: FakeAccount, data: string): void {
    if (account.disabled) return this.refuse('account-disabled');
    const resume = this.request && child(this.request, SM, 'resume');
    const previous = resume && this.server.sleeping.get(attr(resume, 'previd'));
    if (resume && previous?.account === account) {
      this.resume(previous, Number(attr(resume, 'h')));
      const resumed = x(SM, 'resumed', { previd: this.id, h: String(this.taken) });
      this.write(x(S2, 'success', {}, x(S2, 'additional-data', {}, btoa(data)), x(S2, 'authorization-identifier', {}, this.jid), resumed));
      for (const el of this.queue) this.write(el);
      return;
    }
    const failed = resume && x(SM, 'failed', {}, x(ERRORS, 'item-not-found'));
    this.account = account;
    const bind = this.request && child(this.request, BIND, 'bind');
    this.jid = bind ? `${account.address}/Kith.${this.n}` : account.address;
    if (bind) {
      this.carbons = child(bind, CARBONS, 'enable') !== undefined;
      this.active = child(bind, CSI, 'inactive') === undefined;
      const enable = child(bind, SM, 'enable');
      if (this.server.sleeps && enable && attr(enable, 'resume') === 'true') this.id = `sm${this.n}`;
    }
    const ends = account.archive.at(-1);
    const metadata = this.server.archives && this.server.metadata && x(MAM, 'metadata', {}, ends && x(MAM, 'end', { id: ends.id }));
    const enabled = x(SM, 'enabled', this.id === '' ? {} : { id: this.id, resume: 'true' });
    let token: Element | undefined;
    if (this.request && child(this.request, FAST, 'request-token')) {
      const secret = crypto.randomUUID();
      account.tokens.add(secret);
      token = x(FAST, 'token', { token: secret, expiry: new Date(this.server.now() + 21 * 86_400_000).toISOString() });
    }
    this.write(
      x(
        S2,
        'success',
        {},
        x(S2, 'additional-data', {}, btoa(data)),
        x(S2, 'authorization-identifier', {}, this.jid),
        failed,
        bind && x(BIND, 'bound', {}, enabled, metadata),
        token,
      ),
    );
    const max = this.server.maxBytes > 0 && x(LIMITS, 'limits', {}, x(LIMITS, 'max-bytes', {}, String(this.server.maxBytes)));
    this.write(x('http://etherx.jabber.org/streams', 'features', {}, max));
  }

  private stanza(el: Element): void {
    const to = attr(el, 'to');
    if (el.name === 'iq' && this.server.also?.(this, el)) return;
    if (el.name === 'message') {
      if (this.server.archives && this.account) this.server.sentBy(this.account, el, this);
      this.server.route(el);
    }
    else if (el.name === 'presence') this.presenceStanza(el, to);
    else if (to === '' || to === this.server.domain || to === this.account?.address) this.query(el);
    else this.server.route(el);
  }

  private query(el: Element): void {
    if (attr(el, 'type') !== 'get' && attr(el, 'type') !== 'set') return;
    const payload = elements(el)[0] ?? x('', '');
    const from = attr(el, 'to') || undefined;
    const answer = (...children: Element[]): void =>
      this.deliver(x(C, 'iq', { type: 'result', id: attr(el, 'id'), to: this.jid, from }, ...children));
    const account = this.account;
    if (!account) return;
    if (payload.ns === ROSTER && attr(el, 'type') === 'get') {
      answer(x(ROSTER, 'query', { ver: '1' }, ...[...account.roster.keys()].map((j) => this.item(account, j))));
    } else if (payload.ns === ROSTER) {
      const item = elements(payload)[0] ?? x('', '');
      const jid = attr(item, 'jid');
      answer();
      if (attr(item, 'subscription') === 'remove') {
        account.roster.delete(jid);
        this.push(account, x(ROSTER, 'item', { jid, subscription: 'remove' }));
      } else {
        const old = account.roster.get(jid) ?? { name: '', subscription: 'none', ask: false };
        account.roster.set(jid, { ...old, name: attr(item, 'name') });
        this.push(account, this.item(account, jid));
      }
    } else if (payload.ns === 'jabber:iq:register') {
      const form = child(payload, 'jabber:x:data', 'x');
      const values = new Map(form ? children(form, 'jabber:x:data', 'field').map((f) => [attr(f, 'var'), childText(f, 'jabber:x:data', 'value') ?? '']) : []);
      if (values.get('old_password') !== account.password) return this.deliver(bounce(el, 'modify', 'not-authorized'));
      account.password = values.get('password') ?? '';
      account.tokens.clear();
      answer();
    } else if (payload.ns === MAM && this.server.archives) {
      const found = answerQuery(account.archive, payload, this.server.page);
      if (!found) return this.deliver(bounce(el, 'cancel', 'item-not-found'));
      for (const e of found.page) this.deliver(resultOf(e, attr(payload, 'queryid'), this.jid));
      answer(found.fin);
    } else if (payload.ns === 'http://jabber.org/protocol/disco#info') {
      const features = this.server.archives ? this.server.features : [];
      answer(x(payload.ns, 'query', {}, ...features.map((name) => x(payload.ns, 'feature', { var: name }))));
    } else if (payload.ns === PUBSUB && this.server.archives) {
      this.pubsub(account, elements(payload)[0] ?? x('', ''), answer);
    } else if (payload.ns === 'http://jabber.org/protocol/commands') {
      answer(invitation(this.server.domain));
    } else {
      this.deliver(bounce(el, 'cancel', 'service-unavailable'));
    }
  }

  private pubsub(account: FakeAccount, what: Element, answer: (...children: Element[]) => void): void {
    const name = attr(what, 'node');
    const node = account.nodes.get(name) ?? new Map<string, Element>();
    account.nodes.set(name, node);
    if (what.name === 'items') {
      const items = [...node.values()].map((el) => ({ ...el, ns: PUBSUB }));
      answer(x(PUBSUB, 'pubsub', {}, x(PUBSUB, 'items', { node: name }, ...items)));
      return;
    }
    answer();
    for (const item of elements(what)) this.server.publish(account, name, item);
  }

  private item(account: FakeAccount, jid: string): Element {
    const i = account.roster.get(jid);
    return x(ROSTER, 'item', { jid, name: i?.name || undefined, subscription: i?.subscription, ask: i?.ask ? 'subscribe' : undefined });
  }

  private push(account: FakeAccount, item: Element): void {
    for (const c of this.server.connections) {
      if (c.account !== account || !c.jid.includes('/')) continue;
      c.deliver(x(C, 'iq', { type: 'set', id: crypto.randomUUID(), to: c.jid }, x(ROSTER, 'query', { ver: '2' }, item)));
    }
  }

  private presenceStanza(el: Element, to: string): void {
    const me = this.account;
    if (!me) return;
    const type = attr(el, 'type');
    if (to === '') {
      this.presence = el;
      if (type === 'unavailable') return this.leave();
      const first = !this.available;
      this.available = true;
      this.broadcast(el);
      if (!first) return;
      for (const [jid, i] of me.roster) {
        if (i.subscription !== 'both' && i.subscription !== 'to') continue;
        for (const c of this.server.online(jid)) if (c.presence) this.deliver({ ...c.presence, attrs: { from: c.jid, to: this.jid } });
      }
      for (const who of me.pending) this.deliver(x(C, 'presence', { type: 'subscribe', from: who, to: me.address }));
      for (const m of me.offline.splice(0)) this.deliver(m);
      return;
    }
    this.subscription(me, to, type, el);
  }

  private subscription(me: FakeAccount, to: string, type: string, el: Element): void {
    const other = this.server.accounts.get(to.split('@')[0] ?? '');
    if (!other) return;
    const mine = me.roster.get(to) ?? { name: '', subscription: 'none', ask: false };
    const theirs = other.roster.get(me.address) ?? { name: '', subscription: 'none', ask: false };
    if (type === 'subscribe') {
      me.roster.set(to, { ...mine, ask: true });
      other.pending.add(me.address);
      for (const c of this.server.online(to)) c.deliver({ ...el, attrs: { type, from: me.address, to } });
    } else if (type === 'subscribed') {
      me.pending.delete(to);
      me.roster.set(to, { ...mine, subscription: mine.subscription === 'to' || mine.subscription === 'both' ? 'both' : 'from' });
      other.roster.set(me.address, { ...theirs, ask: false, subscription: theirs.subscription === 'from' || theirs.subscription === 'both' ? 'both' : 'to' });
      this.push(other, this.item(other, me.address));
    } else if (type === 'unsubscribed') me.pending.delete(to);
    else return;
    this.push(me, this.item(me, to));
    if (type === 'subscribed' && this.presence) for (const c of this.server.online(to)) c.deliver({ ...this.presence, attrs: { from: this.jid, to } });
  }

  leave(): void {
    this.available = false;
    this.broadcast(x(C, 'presence', { type: 'unavailable' }));
  }

  private broadcast(el: Element): void {
    for (const [jid, i] of this.account?.roster ?? []) {
      if (i.subscription !== 'both' && i.subscription !== 'from') continue;
      for (const c of this.server.online(jid)) c.deliver({ ...el, attrs: { ...el.attrs, from: this.jid, to: jid } });
    }
  }
}

function invitation(domain: string): Element {
  const field = (name: string, value: string): Element => x('jabber:x:data', 'field', { var: name }, x('jabber:x:data', 'value', {}, value));
  const form = x(
    'jabber:x:data',
    'x',
    { type: 'result' },
    field('uri', `xmpp:${domain}?register;preauth=TOKEN`),
    field('landing-url', `https://${domain}/invite/TOKEN`),
    field('expire', '2030-01-02T03:04:05Z'),
  );
  return x('http://jabber.org/protocol/commands', 'command', { node: 'urn:xmpp:invite#invite', status: 'completed' }, form);
}
