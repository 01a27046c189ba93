// SPDX-License-Identifier: Apache-2.0

// Brings what waits to the server, in order. A message stays in the outbox until the server has
// acknowledged it (XEP-0198), so it survives a lost connection and a reload. A session that goes on says what it has;
// after one that is lost, the archive does, and what is not there is sent again with the same id, by which the other
// side knows it.
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

  /** A stream is there; what waits goes out on it. What was sent before and is not on its way is sent again. */
  async use(stream: Stream): Promise<void> {
    const flying = new Set(stream.flying);
    for (const address of await this.store.putBack(flying)) this.changed({ chat: address });
    for (const key of flying) if (!this.flying.has(key)) this.flying.set(key, ++this.sendings);
    if (!stream.connected) return; // it ended meanwhile
    this.stream = stream;
    this.flush();
  }

  /** Whether there are messages of which nobody knows whether the server has them. */
  async doubts(stream: Stream): Promise<boolean> {
    const flying = new Set(stream.flying);
    for (const { key } of await this.store.outbox()) if (!flying.has(key) && (await this.store.message(key))?.state === 'sent') return true;
    return false;
  }

  /** There is no connection now; what was sent on it may still be acknowledged. */
  rest(): void {
    this.stream = undefined;
  }

  /** The session is gone, and with it what it had not acknowledged. */
  async lost(): Promise<void> {
    this.stream = undefined;
    await this.running;
    this.flying.clear();
  }

  /** A session that was brought back says that the server has a message. */
  confirmed(key: string): void {
    this.settle(key, 'acked').catch(() => {});
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
        stream.send(el, () => this.acked(key, sending), key);
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
