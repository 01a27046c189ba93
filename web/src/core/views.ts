// SPDX-License-Identifier: Apache-2.0

// What the screens see, read from the database and from what the leader tells. Every tab has its own.
import { computed, signal } from '@preact/signals';
import type { ChatRecord, FaceRecord, Kept, PersonRecord, RequestRecord } from '../store/schema';
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
  private readonly faces = signal<ReadonlyMap<string, FaceRecord>>(new Map());
  private readonly pictures = signal<ReadonlyMap<string, string>>(new Map()); // hash → address on this device
  private readonly kept = signal<Partial<Kept>>({});

  readonly connection = computed(() => this.live.value.connection);
  readonly unread = computed(() => this.chatRecords.value.reduce((n, c) => n + c.unread, 0));

  readonly catchUp = computed(() => this.live.value.catchUp);
  readonly uploads = computed(() => this.live.value.uploads);
  readonly blocked = computed<ReadonlySet<string>>(() => new Set(this.kept.value.blocked));
  readonly pushed = computed(() => this.kept.value.push);
  readonly discreet = computed(() => this.kept.value.discreet ?? false);
  readonly fileLimit = computed(() => (this.kept.value.upload?.service ? this.kept.value.upload.max : undefined));
  readonly avatars = computed<ReadonlyMap<string, string>>(() => {
    const of = new Map<string, string>();
    for (const { address, hash } of this.faces.value.values()) {
      const picture = this.pictures.value.get(hash);
      if (picture !== undefined) of.set(address, picture);
    }
    return of;
  });

  readonly chats = computed<readonly Chat[]>(() => {
    const typing = new Set(this.live.value.typing);
    return this.chatRecords.value
      .map((c) => this.chat(c, typing.has(c.address)))
      .toSorted((a, b) => b.time - a.time || a.name.localeCompare(b.name));
  });

  readonly contacts = computed<readonly Contact[]>(() => {
    const { presence } = this.live.value;
    return [...this.people.value.values()]
      .map((p) => contact(p, this.nickOf(p.address), presence[p.address]))
      .toSorted((a, b) => a.name.localeCompare(b.name));
  });

  /** What somebody calls themselves, '' for nothing. */
  nickOf(address: string): string {
    return this.faces.value.get(address)?.nick ?? '';
  }

  private store: Store | undefined;
  private readonly timelines = new Set<LiveTimeline>();
  private dirty: Change[] = [];
  private reading: Promise<void> | undefined;

  /** Shows an account, from what is kept of it. */
  async attach(store: Store): Promise<void> {
    this.store = store;
    await Promise.all([this.readChats(store), this.readPeople(store), this.readRequests(store), this.readFaces(store), this.readKept(store)]);
  }

  detach(): void {
    this.store = undefined;
    this.timelines.clear();
    this.chatRecords.value = [];
    this.people.value = new Map();
    this.requests.value = [];
    for (const url of this.pictures.value.values()) URL.revokeObjectURL(url);
    this.pictures.value = new Map();
    this.faces.value = new Map();
    this.kept.value = {};
    this.live.value = NOTHING;
  }

  async timeline(store: Store, chat: string, ask: (chat: string, gap: string) => Promise<void>): Promise<Timeline> {
    const t = await LiveTimeline.open(store, chat, (gone) => this.timelines.delete(gone), ask);
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
          changes.some((c) => c.faces) && this.readFaces(store),
          changes.some((c) => c.kept) && this.readKept(store),
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

  private async readFaces(store: Store): Promise<void> {
    const faces = await store.faces();
    const pictures = new Map(this.pictures.peek());
    for (const { hash } of faces) {
      if (hash === '' || pictures.has(hash)) continue;
      const blob = await store.picture(hash);
      if (blob && this.store === store) pictures.set(hash, URL.createObjectURL(blob));
    }
    if (this.store !== store) return;
    this.pictures.value = pictures;
    this.faces.value = new Map(faces.map((f) => [f.address, f]));
  }

  private async readKept(store: Store): Promise<void> {
    const [blocked, push, discreet, upload] = await Promise.all([store.kept('blocked'), store.kept('push'), store.kept('discreet'), store.kept('upload')]);
    if (this.store !== store) return;
    this.kept.value = {
      ...(blocked ? { blocked } : {}), ...(push === undefined ? {} : { push }), ...(discreet ? { discreet } : {}), ...(upload ? { upload } : {}),
    };
  }

  private chat(c: ChatRecord, typing: boolean): Chat {
    const person = this.people.value.get(c.address);
    return {
      address: c.address,
      // Strangers go by their whole address: a name is easily put on.
      name: person ? nameOf(person, this.nickOf(person.address)) : c.address,
      preview: c.last ? c.last.body.replace(/\s+/g, ' ').trim() : '',
      ...(c.last ? { last: toMessage(c.last) } : {}),
      time: c.last?.time ?? 0,
      unread: c.unread,
      typing,
    };
  }
}

function nameOf(p: PersonRecord, nick: string): string {
  return p.name || nick || local(p.address) || p.address;
}

function contact(p: PersonRecord, nick: string, there: Live['presence'][string] | undefined): Contact {
  return {
    address: p.address,
    name: nameOf(p, nick),
    show: there?.show ?? 'offline',
    status: there?.status ?? '',
    mutual: p.subscription === 'both',
    asked: p.asked,
  };
}
