// SPDX-License-Identifier: Apache-2.0

import { signal } from '@preact/signals';
import type { MessageRecord } from '../store/schema';
import type { Store } from '../store/store';
import type { Failure, Message, Timeline } from './view';

const PAGE = 50; // messages

/** The newest part of a chat, from some message on; it grows backwards on demand. */
export class LiveTimeline implements Timeline {
  readonly messages = signal<readonly Message[]>([]);
  readonly complete = signal(false);
  unreadFrom = '';
  private start = ''; // sort key of the first message shown; '' = from the beginning
  private readings = 0;

  private constructor(private readonly store: Store, readonly chat: string, private readonly closed: (t: LiveTimeline) => void) {}

  static async open(store: Store, chat: string, closed: (t: LiveTimeline) => void): Promise<LiveTimeline> {
    const t = new LiveTimeline(store, chat, closed);
    const [page, unread] = await Promise.all([store.before(chat, '', PAGE), store.firstUnread(chat)]);
    t.unreadFrom = unread?.key ?? '';
    t.begin(page);
    // All that is unread is shown, and a little before it.
    while (unread && t.start > unread.sort) await t.older();
    await t.refresh();
    return t;
  }

  async older(): Promise<void> {
    if (this.complete.value) return;
    this.begin(await this.store.before(this.chat, this.start, PAGE));
    await this.refresh();
  }

  /** Reads again what is shown. Messages that did not change stay the same objects. */
  async refresh(): Promise<void> {
    const reading = ++this.readings;
    const records = await this.store.since(this.chat, this.start);
    if (reading !== this.readings) return; // a later one sees all that this one saw
    const known = new Map(this.messages.value.map((m) => [m.key, m]));
    this.messages.value = records.map((r) => {
      const next = toMessage(r);
      const old = known.get(r.key);
      return old && same(old, next) ? old : next;
    });
  }

  close(): void {
    this.closed(this);
  }

  private begin(page: readonly MessageRecord[]): void {
    this.complete.value = page.length < PAGE;
    this.start = this.complete.value ? '' : (page[0]?.sort ?? '');
  }
}

export function toMessage(r: MessageRecord): Message {
  return {
    key: r.key,
    chat: r.chat,
    mine: r.mine,
    time: r.time,
    body: r.body,
    ...(r.unreadable === undefined ? {} : { unreadable: r.unreadable }),
    ...(r.file === undefined ? {} : { file: r.file }),
    ...(r.state === undefined ? {} : { state: r.state }),
    ...(r.failure === undefined ? {} : { failure: r.failure as Failure }), // written by core/reasons.ts and core/files.ts
    ...(r.retryAt === undefined ? {} : { retryAt: r.retryAt }),
  };
}

function same(a: Message, b: Message): boolean {
  return a.state === b.state && a.failure === b.failure && a.time === b.time && a.body === b.body;
}
