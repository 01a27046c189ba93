// SPDX-License-Identifier: Apache-2.0

// XEP-0198 v1.6.3, the counting: which of our stanzas the server has taken over, and how many of its
// stanzas we have. The counts outlive a connection (§5), and a page.
import type { Element } from '../xml/element';

const MODULUS = 2 ** 32; // XEP-0198 §4: h wraps at 2^32

/** handled-count-too-high: the server acknowledges more than was sent (XEP-0198 §6). */
export class TooHigh extends Error {
  constructor(readonly h: number, readonly sent: number) {
    super(`sm: ${h} acknowledged of ${sent}`);
    this.name = 'TooHigh';
  }
}

/** A stanza that the server may not have yet. */
export interface Sent {
  readonly el: Element;
  readonly key: string; // by which its sender knows it after a reload, '' for none
  acked(): void;
}

export class Counter {
  private waiting: Sent[];

  /** acked: the last h of the server; received: ours. */
  constructor(private acked = 0, private received = 0, waiting: readonly Sent[] = []) {
    this.waiting = [...waiting];
  }

  /** A stanza was written; its acked runs once the server has it. */
  sent(stanza: Sent): void {
    this.waiting.push(stanza);
  }

  /** The server's h. Runs what waited for it, in the order of sending. */
  ack(h: number): void {
    const n = (h - this.acked + MODULUS) % MODULUS;
    if (!Number.isInteger(n) || h < 0 || h >= MODULUS || n > this.waiting.length) throw new TooHigh(h, this.acked + this.waiting.length);
    this.acked = h;
    for (const s of this.waiting.splice(0, n)) s.acked();
  }

  /** The server's h of a session that goes on: more may have been sent than was written down of it. */
  ackAtLeast(h: number): void {
    const n = (h - this.acked + MODULUS) % MODULUS;
    if (n > this.waiting.length && n < MODULUS / 2) this.acked = (h - this.waiting.length + MODULUS) % MODULUS;
    this.ack(h);
  }

  /** What the server has not acknowledged, in the order of sending. */
  get unacked(): readonly Sent[] {
    return this.waiting;
  }

  get lastAck(): number {
    return this.acked;
  }

  /** A stanza of the server was dealt with. */
  handled(): void {
    this.received = this.next;
  }

  get h(): number {
    return this.received;
  }

  /** The h that counts the stanza that is being dealt with as well. */
  get next(): number {
    return (this.received + 1) % MODULUS;
  }
}
