// SPDX-License-Identifier: Apache-2.0

// The database of one account. Each method is one transaction: it happened as a whole or not at all, and
// several tabs may call at once. Records are never changed in place.
import { deleteDB, type IDBPDatabase, type IDBPObjectStore, openDB } from 'idb';
import {
  type AccountRecord,
  type ChatRecord,
  type FaceRecord,
  type Kept,
  type MessageRecord,
  MIGRATIONS,
  type OutboxRecord,
  type PersonRecord,
  type RequestRecord,
  type Schema,
  type SendState,
} from './schema';
import { after, at, following } from './sort';

/** A message to be kept; its place in the chat is found here. */
export type NewMessage = Omit<MessageRecord, 'sort'> & { readonly delayed?: boolean };

const RANK: Readonly<Record<SendState, number>> = { queued: 0, sent: 1, failed: 1, acked: 2, delivered: 3 };

type Rooms = ('messages' | 'chats' | 'outbox' | 'files')[];
type Messages = IDBPObjectStore<Schema, Rooms, 'messages', 'readwrite'>;
type Chats = IDBPObjectStore<Schema, Rooms, 'chats', 'readwrite'>;

// What was written is on the disk before anybody is told that we have it.
const STRICT = { durability: 'strict' } as const;
const ALL: Rooms = ['messages', 'chats', 'outbox', 'files'];

function name(address: string): string {
  return `kith/${address}`;
}

export class Store {
  private constructor(private readonly db: IDBPDatabase<Schema>) {}

  /** closed: it cannot be used any more, for another tab forgets this account, or is of a newer version of the app. */
  static async open(address: string, closed: (why: 'forgotten' | 'outdated') => void = () => {}): Promise<Store> {
    const db = await openDB<Schema>(name(address), MIGRATIONS.length, {
      upgrade(d, from, _to, tx) {
        for (const step of MIGRATIONS.slice(from)) step(d, tx);
      },
      blocking(_current, _blocked, event) {
        (event.target as IDBDatabase).close();
        closed((event as IDBVersionChangeEvent).newVersion === null ? 'forgotten' : 'outdated');
      },
      terminated: () => closed('outdated'), // the browser took it away; a new page may get it back
    });
    return new Store(db);
  }

  /** Deletes all that is kept of an account, once the other tabs have let go of it. */
  static async forget(address: string): Promise<void> {
    await deleteDB(name(address));
  }

  close(): void {
    this.db.close();
  }

  async account(): Promise<AccountRecord | undefined> {
    return this.db.get('account', 'self');
  }

  async putAccount(record: AccountRecord): Promise<void> {
    await this.db.put('account', record, 'self');
  }

  /** Changes the account's record; nothing happens where there is none. */
  async updateAccount(change: (record: AccountRecord) => AccountRecord): Promise<AccountRecord | undefined> {
    const tx = this.db.transaction('account', 'readwrite');
    const old = await tx.store.get('self');
    const next = old && change(old);
    if (next) await tx.store.put(next, 'self');
    await tx.done;
    return next;
  }

  async people(): Promise<PersonRecord[]> {
    return this.db.getAll('people');
  }

  /** The whole contact list anew. */
  async replacePeople(people: readonly PersonRecord[], version: string): Promise<void> {
    const tx = this.db.transaction(['people', 'account'], 'readwrite');
    await tx.objectStore('people').clear();
    for (const p of people) await tx.objectStore('people').put(p);
    const account = await tx.objectStore('account').get('self');
    if (account) await tx.objectStore('account').put({ ...account, rosterVersion: version }, 'self');
    await tx.done;
  }

  /** One contact changed, or is no more (undefined). */
  async putPerson(address: string, person: PersonRecord | undefined, version: string): Promise<void> {
    const tx = this.db.transaction(['people', 'account'], 'readwrite');
    if (person) await tx.objectStore('people').put(person);
    else await tx.objectStore('people').delete(address);
    const account = await tx.objectStore('account').get('self');
    if (account) await tx.objectStore('account').put({ ...account, rosterVersion: version }, 'self');
    await tx.done;
  }

  async requests(): Promise<RequestRecord[]> {
    return this.db.getAll('requests');
  }

  async putRequest(request: RequestRecord): Promise<void> {
    await this.db.put('requests', request);
  }

  async deleteRequest(address: string): Promise<void> {
    await this.db.delete('requests', address);
  }

  /** What people say of themselves. */
  async faces(): Promise<FaceRecord[]> {
    return this.db.getAll('faces');
  }

  /** Keeps what somebody says of themselves; a picture that nobody has any more goes. */
  async putFace(face: FaceRecord): Promise<void> {
    const tx = this.db.transaction(['faces', 'pictures'], 'readwrite');
    const old = (await tx.objectStore('faces').get(face.address))?.hash ?? '';
    await tx.objectStore('faces').put(face);
    const inUse = old === '' || (await tx.objectStore('faces').getAll()).some((f) => f.hash === old);
    if (!inUse) await tx.objectStore('pictures').delete(old);
    await tx.done;
  }

  async picture(hash: string): Promise<Blob | undefined> {
    return (await this.db.get('pictures', hash))?.blob;
  }

  async putPicture(hash: string, blob: Blob): Promise<void> {
    await this.db.put('pictures', { hash, blob });
  }

  async kept<K extends keyof Kept>(key: K): Promise<Kept[K] | undefined> {
    return (await this.db.get('kept', key)) as Kept[K] | undefined;
  }

  async keep<K extends keyof Kept>(key: K, value: Kept[K]): Promise<void> {
    await this.db.put('kept', value, key);
  }

  async forgetKept(key: keyof Kept): Promise<void> {
    await this.db.delete('kept', key);
  }

  async chats(): Promise<ChatRecord[]> {
    return this.db.getAll('chats');
  }

  async chat(address: string): Promise<ChatRecord | undefined> {
    return this.db.get('chats', address);
  }

  /** Puts an empty chat into the list, where there is none with that person. */
  async addChat(address: string): Promise<void> {
    const tx = this.db.transaction('chats', 'readwrite');
    if (!(await tx.store.get(address))) await tx.store.put({ address, unread: 0, heard: 0 });
    await tx.done;
  }

  async message(key: string): Promise<MessageRecord | undefined> {
    return this.db.getFromIndex('messages', 'key', key);
  }

  /** Keeps an incoming message. false: it is here already (by our server's id, else by the sender's). */
  async addIncoming(m: NewMessage): Promise<boolean> {
    const tx = this.db.transaction(ALL, 'readwrite', STRICT);
    const messages = tx.objectStore('messages');
    const known =
      (m.stanzaId !== undefined && (await messages.index('stanza').getKey([m.chat, m.stanzaId])) !== undefined) ||
      (m.originId !== undefined && (await messages.index('origin').getKey([m.from, m.originId])) !== undefined);
    if (!known) await insert(messages, tx.objectStore('chats'), m);
    await tx.done;
    return !known;
  }

  /** Keeps a message of ours and its place in the outbox. */
  async enqueue(m: NewMessage): Promise<void> {
    const tx = this.db.transaction(ALL, 'readwrite', STRICT);
    await insert(tx.objectStore('messages'), tx.objectStore('chats'), m);
    await tx.objectStore('outbox').add(waiting(m));
    await tx.done;
  }

  /** Keeps a file of ours that is to be uploaded, and the text that goes with it. */
  async enqueueFile(m: NewMessage, blob: Blob, caption?: NewMessage): Promise<void> {
    const tx = this.db.transaction(ALL, 'readwrite', STRICT);
    const [messages, chats] = [tx.objectStore('messages'), tx.objectStore('chats')];
    await insert(messages, chats, m);
    await tx.objectStore('files').put({ key: m.key, blob });
    await tx.objectStore('outbox').add(waiting(m));
    if (caption) {
      await insert(messages, chats, caption);
      await tx.objectStore('outbox').add({ ...waiting(caption), after: m.key });
    }
    await tx.done;
  }

  /** The file that waits to be uploaded with a message. */
  async file(key: string): Promise<Blob | undefined> {
    return (await this.db.get('files', key))?.blob;
  }

  /** A file has come to the server: its message says where, and can go. Returns its chat; undefined: it was taken back. */
  async uploaded(key: string, url: string): Promise<string | undefined> {
    const tx = this.db.transaction(ALL, 'readwrite', STRICT);
    const entry = await tx.objectStore('outbox').index('key').get(key);
    const m = await tx.objectStore('messages').index('key').get(key);
    if (entry?.file && m?.file) {
      await tx.objectStore('outbox').put({ ...entry, body: url, file: { ...entry.file, url } });
      await write(tx.objectStore('messages'), tx.objectStore('chats'), { ...m, body: url, file: { ...m.file, url } });
    }
    await tx.objectStore('files').delete(key);
    await tx.done;
    return entry?.file && m?.file ? m.chat : undefined;
  }

  /** Puts a failed message into the outbox again, and at the end of its chat. false: it is not one. */
  async requeue(key: string, now: number): Promise<boolean> {
    const tx = this.db.transaction(ALL, 'readwrite', STRICT);
    const messages = tx.objectStore('messages');
    const old = await messages.index('key').get(key);
    if (!old || old.state !== 'failed') return false;
    const { sort, failure: _failure, retryAt: _retryAt, ...rest } = old;
    await messages.delete([old.chat, sort]);
    await insert(messages, tx.objectStore('chats'), { ...rest, state: 'queued', time: now });
    await tx.objectStore('outbox').add(waiting(old));
    await tx.done;
    return true;
  }

  async outbox(): Promise<OutboxRecord[]> {
    return this.db.getAll('outbox');
  }

  /** Marks a message as handed to the network. false: it was taken back meanwhile. */
  async take(key: string): Promise<boolean> {
    const tx = this.db.transaction(ALL, 'readwrite', STRICT);
    const there = (await tx.objectStore('outbox').index('key').getKey(key)) !== undefined;
    if (there) await patch(tx.objectStore('messages'), tx.objectStore('chats'), key, { state: 'sent' });
    await tx.done;
    return there;
  }

  /** The connection is gone: what was not acknowledged waits again. Returns the chats this concerns. */
  async putBack(): Promise<Set<string>> {
    const tx = this.db.transaction(ALL, 'readwrite', STRICT);
    const touched = new Set<string>();
    for (const { key, chat } of await tx.objectStore('outbox').getAll()) {
      const m = await tx.objectStore('messages').index('key').get(key);
      if (m?.state !== 'sent') continue;
      await write(tx.objectStore('messages'), tx.objectStore('chats'), { ...m, state: 'queued' });
      touched.add(chat);
    }
    await tx.done;
    return touched;
  }

  /**
   * Says how a message of ours went; it leaves the outbox. A state never goes back: what was delivered cannot fail.
   * Returns the message as it is now, undefined where nothing changed.
   */
  async settle(key: string, state: 'acked' | 'delivered' | 'failed', failure?: string, retryAt?: number): Promise<MessageRecord | undefined> {
    const tx = this.db.transaction(ALL, 'readwrite', STRICT);
    const n = await tx.objectStore('outbox').index('key').getKey(key);
    if (n !== undefined) await tx.objectStore('outbox').delete(n);
    const old = await tx.objectStore('messages').index('key').get(key);
    const moves = old?.mine === true && old.state !== undefined && (state === 'failed' ? old.state !== 'delivered' : RANK[old.state] < RANK[state]);
    let next: MessageRecord | undefined;
    if (moves) {
      const { failure: _failure, retryAt: _retryAt, ...rest } = old;
      next = { ...rest, state, ...(failure === undefined ? {} : { failure }), ...(retryAt === undefined ? {} : { retryAt }) };
      await write(tx.objectStore('messages'), tx.objectStore('chats'), next);
    }
    await tx.done;
    return next;
  }

  /** Removes a message that is failed or still waits. false: it is neither. */
  async discard(key: string): Promise<boolean> {
    const tx = this.db.transaction(ALL, 'readwrite', STRICT);
    const messages = tx.objectStore('messages');
    const m = await messages.index('key').get(key);
    if (m?.state !== 'failed' && m?.state !== 'queued') return false;
    const n = await tx.objectStore('outbox').index('key').getKey(key);
    if (n !== undefined) await tx.objectStore('outbox').delete(n);
    await tx.objectStore('files').delete(key);
    await messages.delete([m.chat, m.sort]);
    const chat = await tx.objectStore('chats').get(m.chat);
    if (chat?.last?.key === key) {
      const { last: _last, ...rest } = chat;
      const newest = (await messages.openCursor(chatRange(m.chat), 'prev'))?.value;
      await tx.objectStore('chats').put(newest ? { ...rest, last: newest } : rest);
    }
    await tx.done;
    return true;
  }

  /** Up to `limit` messages before a sort key ('' = the newest), oldest first. */
  async before(chat: string, sort: string, limit: number): Promise<MessageRecord[]> {
    const range = sort === '' ? chatRange(chat) : IDBKeyRange.bound([chat], [chat, sort], false, true);
    const found: MessageRecord[] = [];
    let cursor = await this.db.transaction('messages').store.openCursor(range, 'prev');
    while (cursor && found.length < limit) {
      found.push(cursor.value);
      cursor = await cursor.continue();
    }
    return found.reverse();
  }

  /** All messages from a sort key on, oldest first. */
  async since(chat: string, sort: string): Promise<MessageRecord[]> {
    return this.db.getAll('messages', IDBKeyRange.bound([chat, sort], [chat, []]));
  }

  /** The oldest message nobody has looked at. */
  async firstUnread(chat: string): Promise<MessageRecord | undefined> {
    return this.db.getFromIndex('messages', 'unread', [chat, 1]);
  }

  /** All messages of a chat have been seen. false: they had been before. */
  async markRead(chat: string): Promise<boolean> {
    const tx = this.db.transaction(ALL, 'readwrite', STRICT);
    let any = false;
    let cursor = await tx.objectStore('messages').index('unread').openCursor([chat, 1]);
    while (cursor) {
      any = true;
      await cursor.update(seen(cursor.value));
      cursor = await cursor.continue();
    }
    const record = await tx.objectStore('chats').get(chat);
    if (record && (any || record.unread > 0)) {
      any = true;
      await tx.objectStore('chats').put({ ...record, unread: 0, ...(record.last ? { last: seen(record.last) } : {}) });
    }
    await tx.done;
    return any;
  }
}

/** The place in the outbox of a message. */
function waiting(m: Pick<MessageRecord, 'key' | 'chat' | 'body' | 'file'>): OutboxRecord {
  return { key: m.key, chat: m.chat, body: m.body, ...(m.file ? { file: m.file } : {}) };
}

function seen(m: MessageRecord): MessageRecord {
  const { unread: _unread, ...rest } = m;
  return rest;
}

function chatRange(chat: string): IDBKeyRange {
  return IDBKeyRange.bound([chat], [chat, []]); // an array sorts after every string
}

async function insert(messages: Messages, chats: Chats, m: NewMessage): Promise<void> {
  const { delayed, ...rest } = m;
  const record: MessageRecord = { ...rest, sort: delayed ? await slot(messages, m) : await end(messages, m) };
  await messages.add(record);
  const chat = (await chats.get(m.chat)) ?? { address: m.chat, unread: 0, heard: 0 };
  await chats.put({
    ...chat,
    ...(chat.last && chat.last.sort > record.sort && chat.last.key !== m.key ? {} : { last: record }),
    unread: chat.unread + (m.unread ?? 0),
    heard: m.mine ? chat.heard : Math.max(chat.heard, m.time),
  });
}

async function end(messages: Messages, m: NewMessage): Promise<string> {
  const last = await messages.openKeyCursor(chatRange(m.chat), 'prev');
  return after(last?.primaryKey[1] ?? '', m.time);
}

async function slot(messages: Messages, m: NewMessage): Promise<string> {
  const [first, last] = at(m.time);
  const taken = await messages.openKeyCursor(IDBKeyRange.bound([m.chat, first], [m.chat, last]), 'prev');
  return taken ? following(taken.primaryKey[1]) : first;
}

async function patch(messages: Messages, chats: Chats, key: string, change: Partial<MessageRecord>): Promise<void> {
  const old = await messages.index('key').get(key);
  if (old) await write(messages, chats, { ...old, ...change });
}

/** Writes a message that is there, and the chat's copy of it. */
async function write(messages: Messages, chats: Chats, m: MessageRecord): Promise<void> {
  await messages.put(m);
  const chat = await chats.get(m.chat);
  if (chat?.last?.key === m.key) await chats.put({ ...chat, last: m });
}
