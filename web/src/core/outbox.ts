// SPDX-License-Identifier: Apache-2.0

// Brings what waits to the server, in order. A message stays in the outbox until the server has
// acknowledged it (XEP-0198), so it survives a lost connection and a reload; it is then sent again with the
// same id, by which the other side knows it.
import type { SharedFile } from '../store/schema';
import type { Store } from '../store/store';
import type { Stream } from '../stream/stream';
import { serialize } from '../xml/serialize';
import { NS_CLIENT } from '../xmpp/ns';
import { chat } from '../xmpp/message';
import { fileMessage } from '../xmpp/oob';
import type { Change } from './tabs';

export class Outbox {
  private stream: Stream | undefined;
  private readonly flying = new Map<string, number>(); // written to this stream; which sending it was
  private sendings = 0;
  private running: Promise<void> | undefined;
  private again = false;

  constructor(
    private readonly store: Store,
    private readonly isFriend: (address: string) => boolean,
    private readonly changed: (change: Change) => void,
    private readonly written: (chat: string) => void,
    /** Brings a file to the server; when it is there, flush() is called. */
    private readonly upload: (key: string, file: SharedFile) => void,
  ) {}

  /** A stream is there; what waits goes out on it. */
  use(stream: Stream): void {
    this.stream = stream;
    this.flush();
  }

  /** The stream is gone; what it had not acknowledged waits again. */
  async lost(): Promise<void> {
    this.stream = undefined;
    this.flying.clear();
    await this.running;
    for (const address of await this.store.putBack()) this.changed({ chat: address });
  }

  /** Sends what waits, soon. May be called at any time. */
  flush(): void {
    this.again = true;
    this.running ??= this.run()
      .catch(() => {}) // the database is closed or full: what waits is tried again with the next flush
      .finally(() => {
        this.running = undefined;
      });
  }

  private async run(): Promise<void> {
    while (this.again && this.stream) {
      this.again = false;
      const waiting = await this.store.outbox();
      for (const { key, chat: to, body, file, after } of waiting) {
        const stream: Stream | undefined = this.stream;
        if (!stream) return;
        if (this.flying.has(key)) continue;
        if (file?.url === '') {
          this.upload(key, file); // what was written after it need not wait,
          continue;
        }
        if (waiting.some((w) => w.key === after && w.file?.url === '')) continue; // but for its caption
        const el = file ? fileMessage(to, key, file, this.isFriend(to)) : chat(to, key, body, this.isFriend(to));
        // RFC 6120 §13.12: the server would end the stream, and again on each new try.
        if (new TextEncoder().encode(serialize(el, NS_CLIENT)).length + 200 > stream.maxBytes) {
          await this.failed(key, 'too-large');
          continue;
        }
        if (!(await this.store.take(key)) || stream !== this.stream) continue; // taken back, or the stream is gone
        const sending = ++this.sendings;
        this.flying.set(key, sending);
        this.written(to);
        stream.send(el, () => this.acked(key, sending));
        this.changed({ chat: to });
      }
    }
  }

  /** The server has it; that counts for this sending only: it may have come back since, and wait to be sent again. */
  private acked(key: string, sending: number): void {
    if (this.flying.get(key) !== sending) return;
    this.settle(key, 'acked').catch(() => {}); // not written down for lack of a database: sent again, and known by its id
  }

  /** How it went, by acknowledgement or receipt. from: who says so, '' for our server. */
  async settle(key: string, state: 'acked' | 'delivered', from = ''): Promise<void> {
    if (from !== '' && (await this.store.message(key))?.chat !== from) return; // not theirs to say
    this.flying.delete(key);
    const m = await this.store.settle(key, state);
    if (m) this.changed({ chat: m.chat });
  }

  async failed(key: string, failure: string, from = '', retryAt?: number): Promise<void> {
    if (from !== '' && (await this.store.message(key))?.chat !== from) return;
    this.flying.delete(key);
    const m = await this.store.settle(key, 'failed', failure, retryAt);
    if (m) this.changed({ chat: m.chat });
  }
}
