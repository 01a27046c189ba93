// SPDX-License-Identifier: Apache-2.0

// A session on the server: stanzas go out with an exact answer to "does the server have it?", queries get
// their answers, and what comes in is handled one after the other before it is acknowledged (XEP-0198 §4). It
// outlives its connection: between two of them it sleeps, and what is sent meanwhile waits (XEP-0198 §5). What
// saved() gives brings it back after a reload.
import { attr, elements, type Element, x } from '../xml/element';
import { parse } from '../xml/parse';
import { serialize } from '../xml/serialize';
import { StreamError, Unreachable } from './errors';
import { NS_CLIENT, NS_SM } from './ns';
import { Counter, type Sent, TooHigh } from './sm';
import type { Wire } from './wire';

const NS_STANZA_ERRORS = 'urn:ietf:params:xml:ns:xmpp-stanzas';
const ANSWER = 30_000; // ms: for a query
const ALIVE = 5_000; // ms: for an acknowledgement when asked whether it still lives
const QUIET = 240_000; // ms without a word until we ask
const OVERDUE = 10_000; // ms without a word, though we asked, until we ask whether it still lives
const AGAIN = 100; // ms until we ask again where the server has not got to what we sent; doubled each time …
const AGAIN_MAX = 10_000; // ms, … to this

/** A query was refused (condition: RFC 6120 §8.3.3). */
export class StanzaError extends Error {
  constructor(readonly condition: string, readonly stanza: Element) {
    super(`stanza: ${condition}`);
    this.name = 'StanzaError';
  }
}

export interface Listener {
  /** A message, presence or query. It counts as handled when the promise is done; the next one waits for that. */
  stanza(el: Element): Promise<void> | void;
  /** The connection is gone, once for each. */
  ended(why: Error): void;
  /** All that was handled is about to be acknowledged: the last moment to write down how far that is. */
  acking?(): Promise<void>;
}

/** A session, as it is written down. */
export interface Saved {
  readonly id: string; // by which it is resumed
  readonly jid: string;
  readonly maxBytes: number;
  readonly h: number; // stanzas of the server that were handled
  readonly acked: number; // of ours that it has acknowledged
  readonly unacked: readonly { readonly xml: string; readonly key: string }[];
}

export class Stream {
  readonly bare: string;
  readonly domain: string;
  private readonly counter: Counter;
  private readonly queries = new Map<string, { to: string; answer: (el: Element) => void; fail: (e: Error) => void }>();
  private readonly beats = new Set<() => void>(); // wait for any sign of life
  private listener: Listener | undefined;
  private turn: Promise<void> = Promise.resolve();
  private asked = false; // an <r/> of ours is not answered yet
  private asking = false; // an <r/> is about to be sent
  private fresh = false; // something was sent since the last <r/>
  private again = AGAIN;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private over: Error | undefined; // why the last connection ended
  private gone = false; // the session cannot be resumed
  private connection = 0; // counts them
  private readonly taps = new Set<(el: Element) => boolean>();
  private quiet: ReturnType<typeof setTimeout> | undefined;

  /**
   * maxBytes: the largest stanza the server takes, by its own word or the limit agreed on for ours. id: by which the
   * session can be resumed, '' where it cannot. A session that was written down begins without a connection.
   */
  constructor(private wire: Wire | undefined, readonly jid: string, readonly maxBytes = 262_144, readonly id = '', counter = new Counter()) {
    this.bare = jid.slice(0, jid.indexOf('/'));
    this.domain = this.bare.slice(this.bare.indexOf('@') + 1);
    this.counter = counter;
    if (!wire) this.over = new Unreachable('asleep');
  }

  /** Brings back a session that was written down. acked is told of what had a key. */
  static restore(saved: Saved, acked: (key: string) => void): Stream {
    const unacked = saved.unacked.map(({ xml, key }): Sent => ({ el: parse(xml), key, acked: () => void (key !== '' && acked(key)) }));
    return new Stream(undefined, saved.jid, saved.maxBytes, saved.id, new Counter(saved.acked, saved.h, unacked));
  }

  /** What to write down of it, so that it can be resumed after a reload. Queries end with the page. */
  saved(): Saved {
    const unacked = this.counter.unacked.map(({ el, key }) => ({ xml: serialize(el), key }));
    return { id: this.id, jid: this.jid, maxBytes: this.maxBytes, h: this.counter.h, acked: this.counter.lastAck, unacked };
  }

  /** The h that counts the stanza that is being handled as well. */
  get next(): number {
    return this.counter.next;
  }

  /** Keys of what the server may not have yet. */
  get flying(): readonly string[] {
    return this.counter.unacked.map((s) => s.key).filter((key) => key !== '');
  }

  get connected(): boolean {
    return this.over === undefined;
  }

  /** Whether it may be resumed now. */
  get asleep(): boolean {
    return this.over !== undefined && !this.gone && this.id !== '';
  }

  /** How far we are, once all that was begun is done: for resuming (XEP-0198 §5). */
  async settled(): Promise<number> {
    await this.turn;
    return this.counter.h;
  }

  /** Begins to hand out what came and comes, on each connection anew. */
  start(listener: Listener): void {
    this.listener = listener;
    if (this.wire) this.live(this.wire);
  }

  /** Goes on over another connection, to be started: h is what the server has of ours; it gets the rest again (XEP-0198 §5). */
  resume(wire: Wire, h: number): void {
    this.counter.ackAtLeast(h);
    this.wire = wire;
    this.over = undefined;
    this.asked = false;
    this.again = AGAIN;
    for (const s of this.counter.unacked) wire.send(s.el);
    if (this.counter.unacked.length > 0) this.ask();
  }

  /** The session is no more. h: how much of ours it had got, where the server still knows (XEP-0198 §5). */
  lost(h?: number): void {
    if (this.gone) return;
    this.gone = true;
    this.over ??= new Unreachable('session lost');
    if (h !== undefined) {
      try {
        this.counter.ackAtLeast(h);
      } catch {
        // not a count
      }
    }
    const why = this.over;
    for (const q of this.queries.values()) q.fail(why instanceof StreamError ? why : new Unreachable(why.message));
  }

  /** Hands each element that comes to f first, at once; it has taken those for which it answers true. Returns how to stop. */
  tap(f: (el: Element) => boolean): () => void {
    this.taps.add(f);
    return () => this.taps.delete(f);
  }

  /**
   * Sends a stanza; acked runs once when the server has it, and never if the session is lost before. key: by which it is
   * known after a reload.
   */
  send(el: Element, acked: () => void = () => {}, key = ''): void {
    if (this.gone || (this.over && this.id === '')) return;
    this.counter.sent({ el, key, acked });
    if (this.over) return; // it goes out when the session is resumed
    this.wire?.send(el);
    this.fresh = true;
    this.ask();
  }

  /** Sends an element that is no stanza, and is not counted. */
  tell(el: Element): void {
    if (!this.over) this.wire?.send(el);
  }

  /** Sends a query and resolves with the answer. to: '' = our own account. Rejects with a StanzaError or Unreachable. */
  request(type: 'get' | 'set', to: string, payload: Element): Promise<Element> {
    if (this.over) return Promise.reject(this.over);
    const id = crypto.randomUUID();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => fail(new Unreachable('no answer to a query')), ANSWER);
      const fail = (e: Error): void => {
        clearTimeout(timer);
        this.queries.delete(id);
        reject(e);
      };
      const answer = (el: Element): void => {
        clearTimeout(timer);
        this.queries.delete(id);
        if (attr(el, 'type') === 'result') resolve(el);
        else reject(new StanzaError(conditionOf(el), el));
      };
      this.queries.set(id, { to, answer, fail });
      this.send(x(NS_CLIENT, 'iq', { type, id, to: to || undefined }, payload));
    });
  }

  /** Asks for a sign of life; without one in time the connection is dropped. */
  async check(): Promise<boolean> {
    if (this.over) return false;
    const alive = new Promise<boolean>((resolve) => {
      const settle = (yes: boolean): void => {
        clearTimeout(timer);
        this.beats.delete(beat);
        resolve(yes);
      };
      const beat = (): void => settle(!this.over);
      let due = Date.now() + ALIVE;
      const late = (): void => {
        // A timer that comes late says that this device slept, not that the server is gone.
        if (Date.now() > due + 1_000) {
          due = Date.now() + ALIVE;
          timer = setTimeout(late, ALIVE);
        } else settle(false);
      };
      let timer = setTimeout(late, ALIVE);
      this.beats.add(beat);
    });
    this.asked = true;
    this.wire?.send(x(NS_SM, 'r'));
    const yes = await alive;
    if (!yes) this.wire?.cut('no sign of life');
    return yes;
  }

  /** Drops the connection; the session sleeps. */
  drop(): void {
    if (!this.over) this.wire?.cut('given up');
  }

  /** Says good-bye: what was handled is acknowledged (XEP-0198 §7), then the stream is closed. */
  close(): void {
    if (!this.over) {
      this.wire?.send(x(NS_SM, 'a', { h: String(this.counter.h) }));
      this.wire?.close();
    }
    this.lost();
  }

  private live(wire: Wire): void {
    this.connection++;
    this.rest();
    wire.live((el) => this.receive(el), (why) => this.end(why));
  }

  private receive(el: Element): void {
    this.rest();
    for (const beat of this.beats) beat();
    if (el.ns === NS_SM) {
      this.receiveSm(el);
    } else if (el.ns === NS_CLIENT && (el.name === 'message' || el.name === 'presence' || el.name === 'iq')) {
      const taken = (el.name === 'iq' && this.isAnswer(el)) || [...this.taps].some((f) => f(el));
      const { connection } = this;
      this.turn = this.turn.then(() => this.handle(taken ? undefined : el, connection));
    }
  }

  private async handle(el: Element | undefined, connection: number): Promise<void> {
    if (this.over || connection !== this.connection) return; // not acknowledged, so it comes again
    try {
      if (el) await this.listener?.stanza(el);
      this.counter.handled();
    } catch {
      // It could not be kept (storage is full or closed): leave it with the server.
      if (connection === this.connection) this.wire?.cut('a stanza could not be kept');
    }
  }

  /** Takes the answer to a query of ours; it does not wait its turn, for a turn may wait for it. */
  private isAnswer(el: Element): boolean {
    const type = attr(el, 'type');
    if (type !== 'result' && type !== 'error') return false;
    const query = this.queries.get(attr(el, 'id'));
    // RFC 6120 §8.1.2.1: no from on what the server says for our account.
    if (query && (attr(el, 'from') || this.bare) === (query.to || this.bare)) query.answer(el);
    return true;
  }

  private receiveSm(el: Element): void {
    if (el.name === 'r') {
      const { connection } = this;
      this.turn = this.turn.then(() => this.acknowledge(connection));
      return;
    }
    if (el.name !== 'a') return;
    try {
      this.counter.ack(Number(attr(el, 'h') || Number.NaN));
    } catch (e) {
      if (!(e instanceof TooHigh)) throw e;
      // XEP-0198 §6.
      const detail = x(NS_SM, 'handled-count-too-high', { h: String(e.h), 'send-count': String(e.sent) });
      this.wire?.fail('undefined-condition', detail);
      return;
    }
    this.asked = false;
    clearTimeout(this.retry);
    if (this.counter.unacked.length === 0) this.again = AGAIN;
    else if (this.fresh) this.ask();
    else {
      // It has not got there yet; to ask at once again would be to ask without end.
      this.retry = setTimeout(() => this.ask(), this.again);
      this.again = Math.min(this.again * 2, AGAIN_MAX);
    }
  }

  /** Says how far we are (XEP-0198 §4), once that is written down: a count that went back would be an error. */
  private async acknowledge(connection: number): Promise<void> {
    if (this.over || connection !== this.connection) return;
    try {
      await this.listener?.acking?.();
    } catch {
      return; // it is not written down, so it is not said
    }
    if (connection === this.connection) this.tell(x(NS_SM, 'a', { h: String(this.counter.h) }));
  }

  /** Asks for an acknowledgement once for all that is sent in one go. */
  private ask(): void {
    if (this.asked || this.asking) return;
    this.asking = true;
    queueMicrotask(() => {
      this.asking = false;
      if (this.asked || this.over || this.counter.unacked.length === 0) return;
      this.asked = true;
      this.fresh = false;
      this.wire?.send(x(NS_SM, 'r'));
      this.rest();
    });
  }

  private rest(): void {
    clearTimeout(this.quiet);
    if (!this.over) this.quiet = setTimeout(() => void this.check(), this.asked ? OVERDUE : QUIET);
  }

  private end(why: Error): void {
    this.over = why;
    clearTimeout(this.quiet);
    clearTimeout(this.retry);
    for (const beat of this.beats) beat();
    if (this.id === '') this.lost();
    this.listener?.ended(why);
  }
}

/** conditionOf is the condition of an error stanza; 'undefined-condition' where none is named. */
export function conditionOf(stanza: Element): string {
  const error = elements(stanza).find((c) => c.ns === NS_CLIENT && c.name === 'error');
  const condition = error && elements(error).find((c) => c.ns === NS_STANZA_ERRORS && c.name !== 'text');
  return condition?.name ?? 'undefined-condition';
}
