// SPDX-License-Identifier: Apache-2.0

// The database of one account. Each method is one transaction: it happened as a whole or not at all, and
// several tabs may call at once. Records are never changed in place.
import { deleteDB, type IDBPDatabase, openDB } from 'idb';
import { Archive } from './archive';
import { ALL, chatRange, emptyChat, find, insert, type NewMessage, readTo, seen, STRICT, sweep, write } from './place';
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
  type SessionRecord,
} from './schema';

export type { NewMessage } from './place';

const RANK: Readonly<Record<SendState, number>> = { queued: 0, sent: 1, failed: 1, acked: 2, delivered: 3 };

function name(address: string): string {
  return `kith/${address}`;
}

export class Store {
  /** What is here of the archive on the server. */
  readonly archive: Archive;

  private constructor(private readonly db: IDBPDatabase<Schema>) {
    this.archive = new Archive(db);
  }

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
    if (!(await tx.store.get(address))) await tx.store.put(emptyChat(address));
    await tx.done;
  }

  async message(key: string): Promise<MessageRecord | undefined> {
    return this.db.getFromIndex('messages', 'key', key);
  }

  /**
   * Keeps a message that came. false: it is here already (by our server's id, else by the sender's). One that a page had
   * first, and had for history, is new all the same.
   */
  async addIncoming(m: NewMessage, session?: Partial<SessionRecord>): Promise<boolean> {
    const tx = this.db.transaction(ALL, 'readwrite', STRICT);
    const messages = tx.objectStore('messages');
    const known = await find(messages, m);
    const chat = known && m.unread ? await tx.objectStore('chats').get(m.chat) : undefined;
    // Whatever was read of a chat has left its id there.
    const quiet = chat !== undefined && chat.read === undefined && !known?.unread && known?.stanzaId !== undefined && known.stanzaId === m.stanzaId;
    if (!known) await insert(tx, m);
    else if (quiet) {
      await write(messages, tx.objectStore('chats'), { ...known, unread: 1 });
      await tx.objectStore('chats').put({ ...((await tx.objectStore('chats').get(m.chat)) ?? chat), unread: chat.unread + 1 });
    } else if (known.stanzaId === undefined && m.stanzaId !== undefined) {
      await write(messages, tx.objectStore('chats'), { ...known, stanzaId: m.stanzaId });
    }
    // How far the session is stands beside what it is told by: neither is ever without the other.
    const old = session && (await tx.objectStore('session').get('self'));
    if (old && old.id === session.id) await tx.objectStore('session').put({ ...old, ...session }, 'self');
    await tx.done;
    return !known || quiet;
  }

  /** The session that can be resumed. */
  async session(): Promise<SessionRecord | undefined> {
    return this.db.get('session', 'self');
  }

  async putSession(session: SessionRecord | undefined): Promise<void> {
    if (session) await this.db.put('session', session, 'self');
    else await this.db.delete('session', 'self');
  }

  /** Keeps a message of ours and its place in the outbox. */
  async enqueue(m: NewMessage): Promise<void> {
    const tx = this.db.transaction(ALL, 'readwrite', STRICT);
    await insert(tx, m);
    await tx.objectStore('outbox').add(waiting(m));
    await tx.done;
  }

  /** Keeps a file of ours that is to be uploaded, and the text that goes with it. */
  async enqueueFile(m: NewMessage, blob: Blob, caption?: NewMessage): Promise<void> {
    const tx = this.db.transaction(ALL, 'readwrite', STRICT);
    await insert(tx, m);
    await tx.objectStore('files').put({ key: m.key, blob });
    await tx.objectStore('outbox').add(waiting(m));
    if (caption) {
      await insert(tx, caption);
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
    const { sort, failure: _failure, retryAt: _retryAt, placed: _placed, ...rest } = old;
    await messages.delete([old.chat, sort]);
    await insert(tx, { ...rest, state: 'queued', time: now });
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
    const m = there ? await tx.objectStore('messages').index('key').get(key) : undefined;
    if (m) await write(tx.objectStore('messages'), tx.objectStore('chats'), { ...m, state: 'sent' });
    await tx.done;
    return there;
  }

  /**
   * What was handed to the network and not acknowledged waits again, but for what is still on its way. Returns the chats
   * this concerns.
   */
  async putBack(flying: ReadonlySet<string> = new Set()): Promise<Set<string>> {
    const tx = this.db.transaction(ALL, 'readwrite', STRICT);
    const touched = new Set<string>();
    for (const { key, chat } of await tx.objectStore('outbox').getAll()) {
      const m = await tx.objectStore('messages').index('key').get(key);
      if (m?.state !== 'sent' || flying.has(key)) continue;
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
    // What came back may be in the archive all the same.
    const account = m.state === 'failed' ? await tx.objectStore('account').get('self') : undefined;
    if (account?.archive) {
      const dropped = [...(account.archive.dropped ?? []), key];
      await tx.objectStore('account').put({ ...account, archive: { ...account.archive, dropped } }, 'self');
    }
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
    const messages = tx.objectStore('messages');
    let any = false;
    let read: string | undefined; // the last one that the archive has
    let placed: string | undefined; // and the last one that a page had
    let cursor = await messages.index('unread').openCursor([chat, 1]);
    while (cursor) {
      any = true;
      read = cursor.value.stanzaId ?? read;
      if (cursor.value.placed) placed = cursor.value.stanzaId ?? placed;
      await cursor.update(seen(cursor.value));
      cursor = await cursor.continue();
    }
    const record = await tx.objectStore('chats').get(chat);
    if (record && (any || record.unread > 0)) {
      any = true;
      const told = read === undefined ? {} : { read, untold: 1 as const };
      await tx.objectStore('chats').put({ ...record, unread: 0, ...told, ...(record.last ? { last: seen(record.last) } : {}) });
      const account = await tx.objectStore('account').get('self');
      const other = read === placed ? undefined : (placed ?? record.read);
      if (account?.archive && other !== undefined && account.archive.markers[chat] === undefined) {
        // What came live may turn out to be before it.
        const markers = { ...account.archive.markers, [chat]: other };
        await tx.objectStore('account').put({ ...account, archive: { ...account.archive, markers } }, 'self');
      }
    }
    await tx.done;
    return any;
  }

  /** Another device read a chat up to that message of the archive. Returns whether anything changed. */
  async readElsewhere(chat: string, id: string): Promise<boolean> {
    const tx = this.db.transaction(ALL, 'readwrite');
    const messages = tx.objectStore('messages');
    const record = await tx.objectStore('chats').get(chat);
    const account = await tx.objectStore('account').get('self');
    const to = await messages.index('stanza').get([chat, id]);
    const before = record?.read === undefined ? undefined : await messages.index('stanza').get([chat, record.read]);
    // While the archive is being fetched, what came live has not found its place among what pages had.
    const fetching = account?.archive !== undefined && (account.archive.behind || account.archive.gaps.some((g) => g.pages > 0));
    const sure = to !== undefined && (!fetching || (to.placed !== undefined && (!before || before.placed !== undefined)));
    let next: ChatRecord | undefined;
    if (record && sure) next = await readTo(messages, record, id, fetching ? 'placed' : 'all');
    else if (record && to) {
      const swept = await sweep(messages, record, to.sort, to.placed ? 'placed' : 'live');
      if (swept.unread !== record.unread) next = swept;
    }
    if (next) await tx.objectStore('chats').put(next);
    if (account?.archive && !sure) {
      // Its page says the rest.
      const markers = { ...account.archive.markers, [chat]: id };
      await tx.objectStore('account').put({ ...account, archive: { ...account.archive, markers } }, 'self');
    }
    await tx.done;
    return next !== undefined;
  }

  /** The other devices know up to where a chat was read, unless it was read on meanwhile. */
  async told(chat: string, id: string): Promise<void> {
    const tx = this.db.transaction('chats', 'readwrite');
    const record = await tx.store.get(chat);
    if (record?.read === id) {
      const { untold: _untold, ...rest } = record;
      await tx.store.put(rest);
    }
    await tx.done;
  }
}

/** The place in the outbox of a message. */
function waiting(m: Pick<MessageRecord, 'key' | 'chat' | 'body' | 'file'>): OutboxRecord {
  return { key: m.key, chat: m.chat, body: m.body, ...(m.file ? { file: m.file } : {}) };
}
