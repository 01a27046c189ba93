// SPDX-License-Identifier: Apache-2.0

// Up to where each chat was read, on all devices of the account (XEP-0490 v1.0.1).
import type { Store } from '../store/store';
import { Unreachable } from '../stream/errors';
import type { Stream } from '../stream/stream';
import * as mds from '../xmpp/mds';
import { type Event, type Item, readItems } from '../xmpp/pep';
import type { Change } from './tabs';

const PAUSE = 1_000; // ms in which one reads on

export class Reading {
  private stream: Stream | undefined;
  private features: ReadonlySet<string> = new Set();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private running = false;

  constructor(private readonly store: Store, private readonly changed: (change: Change) => void) {}

  /** Learns what other devices read while this one was away. */
  async sync(stream: Stream): Promise<void> {
    await this.apply(readItems(await stream.request('get', '', mds.all())), stream.bare);
  }

  /** The archive was caught up with: from now on the others are told. */
  use(stream: Stream, features: ReadonlySet<string>): void {
    this.stream = stream;
    this.features = features;
    this.soon(0);
  }

  lost(): void {
    this.stream = undefined;
    clearTimeout(this.timer);
  }

  /** What another device says; false: it is about something else. */
  async event(from: string, event: Event, own: string): Promise<boolean> {
    if (event.node !== mds.NS_MDS) return false;
    if (from === own) await this.apply(event.items, own);
    return true;
  }

  /** Something was read here. */
  read(): void {
    this.soon(PAUSE);
  }

  private async apply(items: readonly Item[], own: string): Promise<void> {
    for (const [chat, id] of mds.markers(items, own)) if (await this.store.readElsewhere(chat, id)) this.changed({ chat, read: true });
  }

  private soon(ms: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.tell().catch(() => {}), ms);
  }

  private async tell(): Promise<void> {
    const { stream } = this;
    // Without options the markers would be open to others (§7).
    if (!stream || this.running || !this.features.has(mds.PUBLISH_OPTIONS)) return;
    this.running = true;
    try {
      for (const { address, read, untold } of await this.store.chats()) {
        if (!untold || read === undefined) continue;
        try {
          await stream.request('set', '', mds.publish(address, stream.bare, read));
        } catch (e) {
          if (e instanceof Unreachable) return; // told again with the next session
        }
        await this.store.told(address, read);
      }
    } finally {
      this.running = false;
    }
  }
}
