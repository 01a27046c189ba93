// SPDX-License-Identifier: Apache-2.0

// What the screens see, read from the database and from what the leader tells. Every tab has its own.
import { computed, signal } from '@preact/signals';
import type { ChatRecord, PersonRecord, RequestRecord } from '../store/schema';
import type { Store } from '../store/store';
import { local } from '../xmpp/jid';
import { type Change, type Live, NOTHING } from './tabs';
import { LiveTimeline, toMessage } from './timeline';
import type { Chat, Contact, Timeline } from './view';

export class Views {
  readonly live = signal<Live>(NOTHING);
  readonly requests = signal<readonly RequestRecord[]>([]);
  private readonly chatRecords = signal<readonly ChatRecord[]>([]);
  private readonly people = signal<ReadonlyMap<string, PersonRecord>>(new Map());

  readonly connection = computed(() => this.live.value.connection);
  readonly unread = computed(() => this.chatRecords.value.reduce((n, c) => n + c.unread, 0));

  readonly chats = computed<readonly Chat[]>(() => {
    const typing = new Set(this.live.value.typing);
    return this.chatRecords.value
      .map((c) => this.chat(c, typing.has(c.address)))
      .toSorted((a, b) => b.time - a.time || a.name.localeCompare(b.name));
  });

  readonly contacts = computed<readonly Contact[]>(() => {
    const { presence } = this.live.value;
    return [...this.people.value.values()].map((p) => contact(p, presence[p.address])).toSorted((a, b) => a.name.localeCompare(b.name));
  });

  private store: Store | undefined;
  private readonly timelines = new Set<LiveTimeline>();
  private dirty: Change[] = [];
  private reading: Promise<void> | undefined;

  /** Shows an account, from what is kept of it. */
  async attach(store: Store): Promise<void> {
    this.store = store;
    await Promise.all([this.readChats(store), this.readPeople(store), this.readRequests(store)]);
  }

  detach(): void {
    this.store = undefined;
    this.timelines.clear();
    this.chatRecords.value = [];
    this.people.value = new Map();
    this.requests.value = [];
    this.live.value = NOTHING;
  }

  async timeline(store: Store, chat: string): Promise<Timeline> {
    const t = await LiveTimeline.open(store, chat, (gone) => this.timelines.delete(gone));
    this.timelines.add(t);
    await t.refresh(); // what came between
    return t;
  }

  /** Something was written; many changes at once cost one reading. */
  changed(change: Change): void {
    this.dirty.push(change);
    this.reading ??= this.read().finally(() => {
      this.reading = undefined;
    });
  }

  private async read(): Promise<void> {
    await Promise.resolve();
    while (this.dirty.length > 0 && this.store) {
      const store = this.store;
      const changes = this.dirty;
      this.dirty = [];
      const chats = new Set(changes.map((c) => c.chat));
      try {
        await Promise.all([
          changes.some((c) => c.chat !== undefined) && this.readChats(store),
          changes.some((c) => c.people) && this.readPeople(store),
          changes.some((c) => c.requests) && this.readRequests(store),
          ...[...this.timelines].filter((t) => chats.has(t.chat)).map((t) => t.refresh()),
        ]);
      } catch (e) {
        if (this.store === store) throw e; // else the account was left meanwhile
      }
    }
    this.dirty = [];
  }

  private async readChats(store: Store): Promise<void> {
    const records = await store.chats();
    if (this.store === store) this.chatRecords.value = records;
  }

  private async readPeople(store: Store): Promise<void> {
    const people = await store.people();
    if (this.store === store) this.people.value = new Map(people.map((p) => [p.address, p]));
  }

  private async readRequests(store: Store): Promise<void> {
    const requests = await store.requests();
    if (this.store === store) this.requests.value = requests;
  }

  private chat(c: ChatRecord, typing: boolean): Chat {
    const person = this.people.value.get(c.address);
    return {
      address: c.address,
      // Strangers go by their whole address: a name is easily put on.
      name: person ? nameOf(person) : c.address,
      preview: c.last ? c.last.body.replace(/\s+/g, ' ').trim() : '',
      ...(c.last ? { last: toMessage(c.last) } : {}),
      time: c.last?.time ?? 0,
      unread: c.unread,
      typing,
    };
  }
}

function nameOf(p: PersonRecord): string {
  return p.name || local(p.address) || p.address;
}

function contact(p: PersonRecord, there: Live['presence'][string] | undefined): Contact {
  return {
    address: p.address,
    name: nameOf(p),
    show: there?.show ?? 'offline',
    status: there?.status ?? '',
    mutual: p.subscription === 'both',
    asked: p.asked,
  };
}
