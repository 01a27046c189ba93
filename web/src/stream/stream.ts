// SPDX-License-Identifier: Apache-2.0

// A stream that is logged in: stanzas go out with an exact answer to "does the server have it?", queries get
// their answers, and what comes in is handled one after the other before it is acknowledged (XEP-0198 §4).
import { attr, elements, type Element, x } from '../xml/element';
import { StreamError, Unreachable } from './errors';
import { NS_CLIENT, NS_SM } from './ns';
import { Counter, TooHigh } from './sm';
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
  /** The stream is gone, once. */
  ended(why: Error): void;
}

export class Stream {
  readonly bare: string;
  readonly domain: string;
  private readonly counter = new Counter();
  private readonly queries = new Map<string, { to: string; answer: (el: Element) => void; fail: (e: Error) => void }>();
  private readonly beats = new Set<() => void>(); // wait for any sign of life
  private listener: Listener | undefined;
  private turn: Promise<void> = Promise.resolve();
  private asked = false; // an <r/> of ours is not answered yet
  private asking = false; // an <r/> is about to be sent
  private fresh = false; // something was sent since the last <r/>
  private again = AGAIN;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private over: Error | undefined;
  private quiet: ReturnType<typeof setTimeout> | undefined;

  /** maxBytes: the largest stanza the server takes, by its own word or the limit agreed on for ours. */
  constructor(private readonly wire: Wire, readonly jid: string, readonly maxBytes = 262_144) {
    this.bare = jid.slice(0, jid.indexOf('/'));
    this.domain = this.bare.slice(this.bare.indexOf('@') + 1);
  }

  /** Begins to hand out what came and comes. */
  start(listener: Listener): void {
    this.listener = listener;
    this.rest();
    this.wire.live((el) => this.receive(el), (why) => this.end(why));
  }

  /** Sends a stanza; acked runs once when the server has it, and never if the stream ends before. */
  send(el: Element, acked: () => void = () => {}): void {
    if (this.over) return;
    this.wire.send(el);
    this.counter.sent(acked);
    this.fresh = true;
    this.ask();
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
    this.wire.send(x(NS_SM, 'r'));
    const yes = await alive;
    if (!yes) this.wire.cut('no sign of life');
    return yes;
  }

  /** Says good-bye: what was handled is acknowledged (XEP-0198 §7), then the stream is closed. */
  close(): void {
    if (this.over) return;
    this.wire.send(x(NS_SM, 'a', { h: String(this.counter.h) }));
    this.wire.close();
  }

  private receive(el: Element): void {
    this.rest();
    for (const beat of this.beats) beat();
    if (el.ns === NS_SM) {
      this.receiveSm(el);
    } else if (el.ns === NS_CLIENT && (el.name === 'message' || el.name === 'presence' || el.name === 'iq')) {
      if (el.name === 'iq' && this.isAnswer(el)) this.turn = this.turn.then(() => this.counter.handled());
      else this.turn = this.turn.then(() => this.handle(el));
    }
  }

  private async handle(el: Element): Promise<void> {
    if (this.over) return; // not acknowledged, so it comes again
    try {
      await this.listener?.stanza(el);
      this.counter.handled();
    } catch {
      // It could not be kept (storage is full or closed): leave it with the server.
      this.wire.cut('a stanza could not be kept');
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
      this.turn = this.turn.then(() => this.wire.send(x(NS_SM, 'a', { h: String(this.counter.h) })));
      return;
    }
    if (el.name !== 'a') return;
    try {
      this.counter.ack(Number(attr(el, 'h') || Number.NaN));
    } catch (e) {
      if (!(e instanceof TooHigh)) throw e;
      // XEP-0198 §6.
      const detail = x(NS_SM, 'handled-count-too-high', { h: String(e.h), 'send-count': String(e.sent) });
      this.wire.fail('undefined-condition', detail);
      return;
    }
    this.asked = false;
    clearTimeout(this.retry);
    if (this.counter.unacked === 0) this.again = AGAIN;
    else if (this.fresh) this.ask();
    else {
      // It has not got there yet; to ask at once again would be to ask without end.
      this.retry = setTimeout(() => this.ask(), this.again);
      this.again = Math.min(this.again * 2, AGAIN_MAX);
    }
  }

  /** Asks for an acknowledgement once for all that is sent in one go. */
  private ask(): void {
    if (this.asked || this.asking) return;
    this.asking = true;
    queueMicrotask(() => {
      this.asking = false;
      if (this.asked || this.over || this.counter.unacked === 0) return;
      this.asked = true;
      this.fresh = false;
      this.wire.send(x(NS_SM, 'r'));
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
    for (const q of this.queries.values()) q.fail(why instanceof StreamError ? why : new Unreachable(why.message));
    this.listener?.ended(why);
  }
}

/** conditionOf is the condition of an error stanza; 'undefined-condition' where none is named. */
export function conditionOf(stanza: Element): string {
  const error = elements(stanza).find((c) => c.ns === NS_CLIENT && c.name === 'error');
  const condition = error && elements(error).find((c) => c.ns === NS_STANZA_ERRORS && c.name !== 'text');
  return condition?.name ?? 'undefined-condition';
}
