// SPDX-License-Identifier: Apache-2.0

// One WebSocket as a sequence of elements (RFC 7395): a frame is an element. Until the stream is live,
// elements are taken one by one with next(); then each goes to the listener, in order.
import { elements, type Element, x } from '../xml/element';
import { parse } from '../xml/parse';
import { serialize } from '../xml/serialize';
import { StreamError, Unreachable } from './errors';
import { NS_FRAMING, NS_STREAM_ERRORS, NS_STREAMS } from './ns';
import type { Dial, Socket } from './socket';

export class Wire {
  private readonly socket: Socket;
  private readonly queue: Element[] = [];
  private wake: (() => void) | undefined;
  private listener: ((el: Element) => void) | undefined;
  private onend: ((why: Error) => void) | undefined;
  private why: Error | undefined; // why it ended
  private readonly opened: Promise<void>;

  constructor(dial: Dial, url: string) {
    this.socket = dial(url);
    this.opened = new Promise((done) => {
      this.socket.onopen = done;
    });
    this.socket.onmessage = (data) => this.read(data);
    this.socket.onclose = () => this.end(new Unreachable('connection lost'));
  }

  /** Opens the stream; answers once the server has opened its own (RFC 7395 §3.4). */
  async open(attrs: Readonly<Record<string, string | undefined>>): Promise<void> {
    await Promise.race([this.opened, this.ended()]);
    this.send(x(NS_FRAMING, 'open', attrs));
    const answer = await this.next();
    if (answer.ns !== NS_FRAMING || answer.name !== 'open') throw this.fail('bad-format');
  }

  /** The next element. Rejects when the stream has ended and nothing is left. */
  async next(): Promise<Element> {
    for (;;) {
      const el = this.queue.shift();
      if (el) return el;
      if (this.why) throw this.why;
      await new Promise<void>((done) => {
        this.wake = done;
      });
    }
  }

  /** From now on each element goes to listener; onend is told once why the stream ended. */
  live(listener: (el: Element) => void, onend: (why: Error) => void): void {
    this.listener = listener;
    this.onend = onend;
    for (const el of this.queue.splice(0)) listener(el);
    if (this.why) onend(this.why);
  }

  /** Writes an element. What is written to a stream that has ended is lost, as it would be on the network. */
  send(el: Element): void {
    if (!this.why) this.socket.send(serialize(el));
  }

  /** Ends the stream in good order (RFC 7395 §3.6). */
  close(): void {
    this.send(x(NS_FRAMING, 'close'));
    this.end(new Unreachable('closed'));
  }

  /** Ends the stream with an error of ours, and returns it. */
  fail(condition: string, detail?: Element): StreamError {
    const error = new StreamError(condition, 'from us');
    this.send(x(NS_STREAMS, 'error', {}, x(NS_STREAM_ERRORS, condition), detail));
    this.send(x(NS_FRAMING, 'close'));
    this.end(error);
    return error;
  }

  /** Drops the connection at once. */
  cut(why: string): void {
    this.end(new Unreachable(why));
  }

  private async ended(): Promise<never> {
    while (!this.why) {
      await new Promise<void>((done) => {
        this.wake = done;
      });
    }
    throw this.why;
  }

  private read(data: string): void {
    if (this.why) return;
    let el: Element;
    try {
      el = parse(data);
    } catch {
      this.fail('not-well-formed');
      return;
    }
    if (el.ns === NS_FRAMING && el.name === 'close') {
      this.close();
    } else if (el.ns === NS_STREAMS && el.name === 'error') {
      const condition = elements(el).find((c) => c.ns === NS_STREAM_ERRORS && c.name !== 'text');
      this.send(x(NS_FRAMING, 'close'));
      this.end(new StreamError(condition?.name ?? 'undefined-condition'));
    } else if (this.listener) {
      this.listener(el);
    } else {
      this.queue.push(el);
      this.wake?.();
    }
  }

  private end(why: Error): void {
    if (this.why) return;
    this.why = why;
    this.socket.close();
    this.wake?.();
    this.onend?.(why);
  }
}

/** features waits for the server's <features/>. */
export async function features(wire: Wire): Promise<Element> {
  const el = await wire.next();
  if (el.ns !== NS_STREAMS || el.name !== 'features') throw wire.fail('bad-format');
  return el;
}
