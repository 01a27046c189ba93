// SPDX-License-Identifier: Apache-2.0

import { signal } from '@preact/signals';
import type { MessageRecord } from '../store/schema';
import type { Store } from '../store/store';
import { kindOf } from '../xmpp/oob';
import type { Failure, Gap, Message, Timeline } from './view';

const PAGE = 50; // messages
const UNREAD = 40; // pages that are shown at once, at most, so that all that is unread is

/** The newest part of a chat, from some message on; it grows backwards on demand. */
export class LiveTimeline implements Timeline {
  readonly messages = signal<readonly Message[]>([]);
  readonly complete = signal(false);
  readonly loading = signal(false);
  readonly gaps = signal<readonly Gap[]>([]);
  unreadFrom = '';
  private whole = false; // all that is here is shown
  private top = ''; // the gap before all that is here, '' for none
  private readonly busy = new Set<string>(); // gaps
  private start = ''; // sort key of the first message shown; '' = from the beginning
  private readings = 0;

  /** ask has the leader fetch some of a gap. */
  private constructor(
    private readonly store: Store,
    readonly chat: string,
    private readonly closed: (t: LiveTimeline) => void,
    private readonly ask: (chat: string, gap: string) => Promise<void>,
  ) {}

  static async open(
    store: Store, chat: string, closed: (t: LiveTimeline) => void, ask: (chat: string, gap: string) => Promise<void>,
  ): Promise<LiveTimeline> {
    const t = new LiveTimeline(store, chat, closed, ask);
    const [page, unread] = await Promise.all([store.before(chat, '', PAGE), store.firstUnread(chat)]);
    t.unreadFrom = unread?.key ?? '';
    t.begin(page);
    // All that is unread is shown, and a little before it.
    for (let n = 0; n < UNREAD && unread && t.start > unread.sort; n++) t.begin(await store.before(chat, t.start, PAGE));
    await t.refresh();
    return t;
  }

  async older(): Promise<void> {
    if (!this.whole) this.begin(await this.store.before(this.chat, this.start, PAGE));
    else if (this.top === '') return;
    else {
      this.loading.value = true;
      try {
        await this.ask(this.chat, this.top);
      } finally {
        this.loading.value = false;
      }
    }
    await this.refresh();
  }

  async fill(id: string): Promise<void> {
    if (this.busy.has(id)) return;
    this.busy.add(id);
    try {
      await this.refresh();
      await this.ask(this.chat, id);
    } finally {
      this.busy.delete(id);
      await this.refresh();
    }
  }

  /** Reads again what is shown. Messages that did not change stay the same objects. */
  async refresh(): Promise<void> {
    const reading = ++this.readings;
    const [records, gaps] = await Promise.all([this.store.since(this.chat, this.start), this.store.archive.gapsOf(this.chat)]);
    if (reading !== this.readings) return; // a later one sees all that this one saw
    const known = new Map(this.messages.value.map((m) => [m.key, m]));
    this.messages.value = records.map((r) => {
      const next = toMessage(r);
      const old = known.get(r.key);
      return old && same(old, next) ? old : next;
    });
    const first = records[0]?.sort;
    const rows = gaps.filter((g) => first !== undefined && g.edge > first);
    this.gaps.value = rows.map((g) => ({ id: g.id, before: records.find((r) => r.sort >= g.edge)?.key ?? '', busy: this.busy.has(g.id) }));
    this.top = this.whole ? (gaps.findLast((g) => !rows.includes(g))?.id ?? '') : '';
    this.complete.value = this.whole && this.top === '';
  }

  close(): void {
    this.closed(this);
  }

  private begin(page: readonly MessageRecord[]): void {
    this.whole = page.length < PAGE;
    this.start = this.whole ? '' : (page[0]?.sort ?? '');
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
    ...(r.file === undefined ? {} : { file: { ...r.file, kind: kindOf(r.file.type) } }),
    ...(r.state === undefined ? {} : { state: r.state }),
    ...(r.failure === undefined ? {} : { failure: r.failure as Failure }), // written by core/reasons.ts and core/files.ts
    ...(r.retryAt === undefined ? {} : { retryAt: r.retryAt }),
  };
}

function same(a: Message, b: Message): boolean {
  return a.state === b.state && a.failure === b.failure && a.time === b.time && a.body === b.body;
}
