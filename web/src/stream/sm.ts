// SPDX-License-Identifier: Apache-2.0

// XEP-0198 v1.6.3, the counting: which of our stanzas the server has taken over, and how many of its
// stanzas we have. Resumption is not here.

const MODULUS = 2 ** 32; // XEP-0198 §4: h wraps at 2^32

/** handled-count-too-high: the server acknowledges more than was sent (XEP-0198 §6). */
export class TooHigh extends Error {
  constructor(readonly h: number, readonly sent: number) {
    super(`sm: ${h} acknowledged of ${sent}`);
    this.name = 'TooHigh';
  }
}

export class Counter {
  private acked = 0; // the last h of the server
  private readonly waiting: (() => void)[] = [];
  private received = 0;

  /** A stanza was written; acked runs once the server has it. */
  sent(acked: () => void): void {
    this.waiting.push(acked);
  }

  /** The server's h. Runs what waited for it, in the order of sending. */
  ack(h: number): void {
    const n = (h - this.acked + MODULUS) % MODULUS;
    if (!Number.isInteger(n) || h < 0 || h >= MODULUS || n > this.waiting.length) throw new TooHigh(h, this.acked + this.waiting.length);
    this.acked = h;
    for (const done of this.waiting.splice(0, n)) done();
  }

  get unacked(): number {
    return this.waiting.length;
  }

  /** A stanza of the server was dealt with. */
  handled(): void {
    this.received = (this.received + 1) % MODULUS;
  }

  get h(): number {
    return this.received;
  }
}
