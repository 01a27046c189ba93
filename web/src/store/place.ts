// SPDX-License-Identifier: Apache-2.0

// Within a transaction: where a message goes, and what its chat's line in the list says then.
import type { IDBPObjectStore, IDBPTransaction } from 'idb';
import type { ChatRecord, MessageRecord, Schema } from './schema';
import { after } from './sort';

/** A message to be kept; its place in the chat is found here. */
export type NewMessage = Omit<MessageRecord, 'sort'>;

export type Rooms = ('messages' | 'chats' | 'outbox' | 'files' | 'account' | 'session')[];
export type Tx = IDBPTransaction<Schema, Rooms, 'readwrite'>;
export type Messages = IDBPObjectStore<Schema, Rooms, 'messages', 'readwrite'>;
export type Chats = IDBPObjectStore<Schema, Rooms, 'chats', 'readwrite'>;

export const ALL: Rooms = ['messages', 'chats', 'outbox', 'files', 'account', 'session'];
// What was written is on the disk before anybody is told that we have it.
export const STRICT = { durability: 'strict' } as const;

export function chatRange(chat: string): IDBKeyRange {
  return IDBKeyRange.bound([chat], [chat, []]); // an array sorts after every string
}

export function emptyChat(address: string): ChatRecord {
  return { address, unread: 0, heard: 0 };
}

export function seen(m: MessageRecord): MessageRecord {
  const { unread: _unread, ...rest } = m;
  return rest;
}

/** The key of the last message of a chat, '' for none. */
export async function lastKey(messages: Messages, chat: string): Promise<string> {
  return (await messages.openKeyCursor(chatRange(chat), 'prev'))?.primaryKey[1] ?? '';
}

/** Puts a message at the end of its chat. */
export async function insert(tx: Tx, m: NewMessage): Promise<void> {
  const [messages, chats] = [tx.objectStore('messages'), tx.objectStore('chats')];
  const archive = (await tx.objectStore('account').get('self'))?.archive;
  const last = await lastKey(messages, m.chat);
  const fence = archive?.fence ?? '';
  const record: MessageRecord = { ...m, sort: after(last > fence ? last : fence, m.time) };
  await messages.add(record);
  const chat = (await chats.get(m.chat)) ?? emptyChat(m.chat);
  await chats.put({
    ...chat,
    last: record,
    unread: chat.unread + (m.unread ?? 0),
    heard: m.mine ? chat.heard : Math.max(chat.heard, m.time),
    // What is seen as it comes was read; the other devices are to know.
    ...(m.mine || m.unread || m.stanzaId === undefined ? {} : { read: m.stanzaId, untold: 1 as const }),
  });
}

/** Writes a message that is there, and the chat's copy of it. */
export async function write(messages: Messages, chats: Chats, m: MessageRecord): Promise<void> {
  await messages.put(m);
  const chat = await chats.get(m.chat);
  if (chat?.last?.key === m.key) await chats.put({ ...chat, last: m });
}

/** Gives a message another place in its chat. The chat's copy of the newest is up to the caller. */
export async function move(messages: Messages, m: MessageRecord, sort: string): Promise<MessageRecord> {
  await messages.delete([m.chat, m.sort]);
  const moved = { ...m, sort };
  await messages.add(moved);
  return moved;
}

/** The same message where it is here already: by our server's id, else by the sender's. */
export async function find(messages: Messages, m: NewMessage): Promise<MessageRecord | undefined> {
  const same = m.stanzaId === undefined ? undefined : await messages.index('stanza').get([m.chat, m.stanzaId]);
  if (same || m.originId === undefined) return same;
  const copy = await messages.index('origin').get([m.from, m.originId]);
  return copy?.chat === m.chat ? copy : undefined;
}

/**
 * All up to the message with that id of the archive was read; its chat is given and returned. undefined: the message is
 * not here, or was read before (XEP-0490 §5.1).
 */
export async function readTo(messages: Messages, chat: ChatRecord, id: string, what: 'all' | 'placed'): Promise<ChatRecord | undefined> {
  const to = await messages.index('stanza').get([chat.address, id]);
  const before = chat.read === undefined ? undefined : await messages.index('stanza').get([chat.address, chat.read]);
  if (!to || (before && before.sort >= to.sort)) return undefined;
  const { untold: _untold, ...rest } = chat;
  return sweep(messages, { ...rest, read: id }, to.sort, what);
}

/** Nothing up to that place is unread, of all or of what pages of the archive had or had not; counts what is. */
export async function sweep(messages: Messages, chat: ChatRecord, to: string, what: 'all' | 'placed' | 'live'): Promise<ChatRecord> {
  const counts = (m: MessageRecord): boolean => what === 'all' || (what === 'placed') === (m.placed !== undefined);
  const index = messages.index('unread'); // by sort, the oldest first
  let cursor = to === '' ? null : await index.openCursor([chat.address, 1]);
  while (cursor && cursor.value.sort <= to) {
    if (counts(cursor.value)) await cursor.update(seen(cursor.value));
    cursor = await cursor.continue();
  }
  const unread = await index.count([chat.address, 1]);
  const last = chat.last && chat.last.sort <= to && counts(chat.last);
  return { ...chat, unread, ...(chat.last && last ? { last: seen(chat.last) } : {}) };
}
