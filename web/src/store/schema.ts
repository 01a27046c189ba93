// SPDX-License-Identifier: Apache-2.0

// What is kept on the device: one IndexedDB database per account, and a small one for the browser profile.
import type { DBSchema, IDBPDatabase, IDBPTransaction, StoreNames } from 'idb';

export interface AccountRecord {
  readonly address: string;
  /** The FAST token; missing until the first log-in. count: how often it was used. */
  readonly token?: { readonly secret: string; readonly count: number };
  readonly rosterVersion: string; // of the contact list we have, '' for none
  readonly archive?: ArchiveRecord; // missing until the first session that asked it
}

/** How much of the archive on the server is here (store/archive.ts). */
export interface ArchiveRecord {
  readonly cursor?: string; // id up to which all is here but for the gaps; '' = its beginning; missing: never asked. Only pages move it
  readonly behind: boolean; // the end of the archive was not reached since the session began
  readonly fence: string; // sort key: what came in this session comes after it
  readonly floor: string; // sort key: what the cursor stands for in a chat ends here, or at its settled, if that is later
  readonly gaps: readonly GapRecord[]; // the oldest first
  readonly dropped?: readonly string[]; // keys of messages of ours that the person took away, and the archive may still bring
  readonly markers: Readonly<Record<string, string>>; // by chat: read up to this id, which is not here yet
}

/** A part of the archive that is not here. */
export interface GapRecord {
  readonly id: string;
  readonly after: string; // id of the last message before it, '' = not known
  readonly before: string; // id of the first message after it
  readonly fence: string; // sort key: in each chat it ends before this
  readonly pages: number; // to be fetched without being asked for
}

/** Where a gap is in one chat. */
export interface GapPlace {
  readonly low: string; // sort key after which it begins; what is here of it live comes next
  readonly edge?: string; // sort key of the first message after it; missing: the fence
  readonly before?: string; // id of the first message after it, where more of this chat is here than of others
  readonly done?: true; // nothing of it is missing in this chat
}

/** The session on the server, for resuming it after a reload (XEP-0198 §5), and what came with it. */
export interface SessionRecord {
  readonly id: string;
  readonly jid: string;
  readonly maxBytes: number;
  readonly csi: boolean; // the server wants to know whether somebody looks
  readonly greeted?: boolean; // the contacts were asked for, and presence was sent
  readonly h: number;
  readonly acked: number;
  readonly unacked: readonly { readonly xml: string; readonly key: string }[];
  readonly there: There;
}

/** Who is there, by bare address and device. */
export type There = ReadonlyMap<string, ReadonlyMap<string, { readonly from: string; readonly show: 'online' | 'away' | 'busy' | 'offline'; readonly status: string; readonly priority: number }>>;

export type SendState = 'queued' | 'sent' | 'acked' | 'delivered' | 'failed';

/** A file that a message is (xmpp/oob.ts). */
export interface SharedFile {
  readonly url: string; // '' while it is still on this device only
  readonly name: string;
  readonly type: string; // '' = not said
  readonly size: number; // bytes, 0 = not said
  readonly width: number; // pixels, 0 = not said or no picture
  readonly height: number;
}

export interface MessageRecord {
  readonly key: string; // stays; for ours also the stanza's id and origin-id
  readonly chat: string;
  readonly sort: string; // see sort.ts
  readonly from: string; // bare address of the sender
  readonly mine: boolean;
  readonly time: number; // ms since 1970
  readonly body: string;
  readonly unreadable?: 'encrypted';
  readonly file?: SharedFile; // the body is its address
  readonly state?: SendState; // ours only
  readonly failure?: string; // state failed only
  readonly retryAt?: number; // state failed only: when it can go through, ms since 1970
  readonly stanzaId?: string; // given by our server
  readonly originId?: string; // given by the sender
  readonly unread?: 1; // nobody has looked yet
  readonly placed?: 1; // a page of the archive had it: it is where it belongs among those that pages had
}

export interface ChatRecord {
  readonly address: string;
  readonly last?: MessageRecord; // a copy of the newest message, so that the list needs nothing else
  readonly unread: number;
  readonly heard: number; // when they last wrote, ms since 1970; 0 = never
  readonly settled?: string; // sort key up to which the order is that of the archive, as far as the cursor
  readonly gaps?: Readonly<Record<string, GapPlace>>; // by id; where one is missing, it begins at the beginning
  readonly read?: string; // id in the archive of the last message that was read, here or on another device
  readonly untold?: 1; // our other devices do not know yet that it was read
}

/** What is still to be handed to the server, in the order of sending. */
export interface OutboxRecord {
  readonly n?: number; // given by the database, rising
  readonly key: string; // of the message
  readonly chat: string;
  readonly body: string;
  readonly file?: SharedFile; // its URL is '' until it is uploaded
  readonly after?: string; // key of a message that has to go first: the file whose caption this is
}

export interface PersonRecord {
  readonly address: string;
  readonly name: string; // '' for none
  readonly subscription: 'none' | 'to' | 'from' | 'both';
  readonly asked: boolean;
  readonly groups: readonly string[];
}

export interface RequestRecord {
  readonly address: string;
  readonly note: string;
}

/** What somebody says of themselves: their name and their picture. They need not be a contact. */
export interface FaceRecord {
  readonly address: string;
  readonly nick: string; // '' for none
  readonly hash: string; // of the picture, '' for none
}

/** A picture of somebody; several may have the same. */
export interface PictureRecord {
  readonly hash: string; // SHA-1, hexadecimal
  readonly blob: Blob;
}

/** A file that waits to be uploaded. */
export interface FileRecord {
  readonly key: string; // of the message
  readonly blob: Blob;
}

/** Single values of the account. */
export interface Kept {
  readonly blocked: readonly string[]; // addresses
  readonly push: boolean; // this device wants to be pushed to
  readonly discreet: boolean; // notifications do not say who wrote what
  readonly upload: { readonly service: string; readonly max: number }; // where files go to, and how large they may be (0 = no limit told)
}

export interface Schema extends DBSchema {
  account: { key: 'self'; value: AccountRecord };
  chats: { key: string; value: ChatRecord };
  messages: {
    key: [chat: string, sort: string];
    value: MessageRecord;
    indexes: {
      key: string;
      stanza: [chat: string, stanzaId: string];
      origin: [from: string, originId: string];
      unread: [chat: string, unread: number];
    };
  };
  outbox: { key: number; value: OutboxRecord; indexes: { key: string } };
  people: { key: string; value: PersonRecord };
  session: { key: 'self'; value: SessionRecord };
  requests: { key: string; value: RequestRecord };
  faces: { key: string; value: FaceRecord };
  pictures: { key: string; value: PictureRecord };
  files: { key: string; value: FileRecord };
  kept: { key: keyof Kept; value: Kept[keyof Kept] };
}

type Upgrade = (db: IDBPDatabase<Schema>, tx: IDBPTransaction<Schema, StoreNames<Schema>[], 'versionchange'>) => void;

/** One step per version, the first makes version 1. Steps are added, never edited. */
export const MIGRATIONS: readonly Upgrade[] = [
  (db) => {
    db.createObjectStore('account');
    db.createObjectStore('chats', { keyPath: 'address' });
    const messages = db.createObjectStore('messages', { keyPath: ['chat', 'sort'] });
    messages.createIndex('key', 'key', { unique: true });
    messages.createIndex('stanza', ['chat', 'stanzaId'], { unique: true });
    messages.createIndex('origin', ['from', 'originId']);
    messages.createIndex('unread', ['chat', 'unread']); // holds the unread ones only
    db.createObjectStore('outbox', { keyPath: 'n', autoIncrement: true }).createIndex('key', 'key', { unique: true });
    db.createObjectStore('people', { keyPath: 'address' });
    db.createObjectStore('requests', { keyPath: 'address' });
  },
  (db) => {
    db.createObjectStore('faces', { keyPath: 'address' });
    db.createObjectStore('pictures', { keyPath: 'hash' });
    db.createObjectStore('files', { keyPath: 'key' });
    db.createObjectStore('kept');
  },
  (db) => {
    db.createObjectStore('session');
  },
];
