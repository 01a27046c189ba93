// SPDX-License-Identifier: Apache-2.0

// What is here of the archive on the server. A page becomes part of it in one transaction, by which each chat gets the
// order of the archive, whatever came before: live, as a copy, or from another page.
//
// The cursor says up to where all is here. In each chat a sort key, "settled", goes with it: what comes after the cursor in
// the archive is put after it, in order, and what is here already is left where it is unless the order is wrong. So live
// messages need no more than the end of the chat.
//
// A gap is a part that is not here: what is older than a page which was taken from the end. In each chat it lies between
// a key, "low", and the gap's fence; it is filled from its end. What is here of it already, from a session before, stays
// at its beginning until its page comes.
import type { IDBPDatabase } from 'idb';
import { ALL, type Chats, chatRange, emptyChat, find, lastKey, type Messages, move, type NewMessage, readTo, STRICT, sweep, type Tx } from './place';
import type { AccountRecord, ArchiveRecord, ChatRecord, GapPlace, GapRecord, MessageRecord, Schema } from './schema';
import { after, between, following, sortKey } from './sort';

/** Where a page belongs. */
export type Place =
  /** Right after the cursor. end: there is no more. */
  | { readonly kind: 'next'; readonly last: string; readonly end: boolean }
  /** The end of the archive; whole: there is nothing before it. Else a gap comes before it, of which so many pages are to be fetched. */
  | { readonly kind: 'newest'; readonly first: string; readonly last: string; readonly whole: boolean; readonly pages: number }
  /** The end of a gap, of all chats or of one. closed: it has no more. */
  | { readonly kind: 'gap'; readonly id: string; readonly chat?: string; readonly first: string; readonly closed: boolean };

export interface Page {
  readonly messages: readonly (NewMessage & { readonly stanzaId: string })[]; // in the order of the archive
  readonly delivered: readonly { readonly key: string; readonly from: string }[]; // what others say of ours
  readonly quiet: boolean; // nothing of it is unread unless another device says so
}

export interface Added {
  readonly chats: ReadonlySet<string>; // what changed
  readonly keys: ReadonlySet<string>; // of messages that were not here yet
  /** A message of before the gap was among them: in this chat nothing is missing any more. */
  readonly met: boolean;
}

/** The part of a page that is of one chat. */
interface Walk {
  readonly chat: ChatRecord;
  readonly low: string;
  readonly high: string; // '' = no bound
  readonly entries: { readonly m: NewMessage & { readonly stanzaId: string }; readonly known: MessageRecord | undefined }[];
  first?: string; // keys of the first and the last one, once they have their places
  last?: string;
  changed: boolean;
}

export class Archive {
  constructor(private readonly db: IDBPDatabase<Schema>) {}

  async record(): Promise<ArchiveRecord | undefined> {
    return (await this.db.get('account', 'self'))?.archive;
  }

  /**
   * A new session begins: what comes in it comes after all that is here, and what waits to be sent goes with that. newest:
   * the last id of the archive, '' for an empty one, where it is known; a device that saw it empty has no history to skip.
   */
  async begin(newest?: string): Promise<void> {
    const tx = this.db.transaction(ALL, 'readwrite');
    const [messages, chats] = [tx.objectStore('messages'), tx.objectStore('chats')];
    const account = await tx.objectStore('account').get('self');
    if (!account) return tx.done;
    const known = await chats.getAll();
    const top = known.reduce((t, c) => (c.last && c.last.sort > t ? c.last.sort : t), '');
    const fence = top === '' ? NOTHING : following(top);
    for (const { key } of await tx.objectStore('outbox').getAll()) {
      const m = await messages.index('key').get(key);
      if (!m) continue;
      const last = await lastKey(messages, m.chat);
      const moved = await move(messages, m, after(last > fence ? last : fence, m.time));
      const chat = await chats.get(m.chat);
      if (chat) await chats.put({ ...chat, last: moved });
    }
    const old = account.archive;
    const archive: ArchiveRecord = old
      ? { ...old, behind: true, fence }
      : { ...(newest === '' ? { cursor: '' } : {}), behind: true, fence, floor: top, gaps: [], markers: {} };
    await tx.objectStore('account').put({ ...account, archive }, 'self');
    await tx.done;
  }

  /** There is nothing more to fetch: the archive has nothing after the cursor, or there is none. empty: it has nothing at all. */
  async atEnd(empty: boolean): Promise<void> {
    await this.change((a) => ({ ...a, behind: false, ...(empty ? { cursor: a.cursor ?? '' } : {}) }));
  }

  /** The server has nothing of a gap any more, or of one chat in it. */
  async close(id: string, chat?: string): Promise<void> {
    if (chat === undefined) return this.change((a) => ({ ...a, gaps: a.gaps.filter((g) => g.id !== id) }));
    const tx = this.db.transaction('chats', 'readwrite');
    const record = (await tx.store.get(chat)) ?? emptyChat(chat);
    await tx.store.put({ ...record, gaps: { ...record.gaps, [id]: { ...placeIn(record, id), done: true } } });
    await tx.done;
  }

  /** The last message before a gap is not in the archive any more. */
  async unbound(id: string): Promise<void> {
    await this.change((a) => ({ ...a, gaps: a.gaps.map((g) => (g.id === id ? { ...g, after: '' } : g)) }));
  }

  /** Whether a chat was read up to a message of which no page told the place. */
  async unsure(): Promise<boolean> {
    for (const { address, read } of await this.db.getAll('chats')) {
      const m = read === undefined ? undefined : await this.db.getFromIndex('messages', 'stanza', [address, read]);
      if (m && !m.placed) return true;
    }
    return false;
  }

  /** The gaps of a chat, the oldest first: each is before the messages from that sort key on. */
  async gapsOf(chat: string): Promise<readonly { readonly id: string; readonly edge: string }[]> {
    const [archive, record] = await Promise.all([this.record(), this.db.get('chats', chat)]);
    return (archive?.gaps ?? []).filter((g) => !placeIn(record, g.id).done).map((g) => ({ id: g.id, edge: placeIn(record, g.id).edge ?? g.fence }));
  }

  /** Where to go on with a gap in one chat. */
  async edge(id: string, chat: string): Promise<{ readonly after: string; readonly before: string } | undefined> {
    const [archive, record] = await Promise.all([this.record(), this.db.get('chats', chat)]);
    const gap = archive?.gaps.find((g) => g.id === id);
    const place = placeIn(record, id);
    if (!gap || place.done) return undefined;
    return { after: gap.after, before: place.before ?? gap.before };
  }

  /** Takes in a page. undefined: its place is not there (any more). */
  async add(page: Page, place: Place): Promise<Added | undefined> {
    const tx = this.db.transaction(ALL, 'readwrite', STRICT);
    const account = await tx.objectStore('account').get('self');
    const old = account?.archive;
    const gap = place.kind === 'gap' ? old?.gaps.find((g) => g.id === place.id) : undefined;
    if (!account || !old || (place.kind === 'gap' && !gap)) {
      await tx.done;
      return undefined;
    }
    const made = place.kind === 'newest' && !place.whole ? await openGap(tx, old, place, page) : undefined;
    if (place.kind === 'newest' && !place.whole && !made) {
      await tx.done;
      return undefined;
    }
    const floor = made?.fence ?? old.floor;
    const walks = new Map<string, Walk>();
    const keys = new Set<string>();
    let met = false;
    for (const m of page.messages) {
      const w = walks.get(m.chat) ?? (await begin(tx, m.chat, floor, gap));
      walks.set(m.chat, w);
      const known = await find(tx.objectStore('messages'), m);
      if (known?.stanzaId !== undefined && known.stanzaId !== m.stanzaId) continue; // sent twice; the first one counts
      if (m.mine && m.originId !== undefined && old.dropped?.includes(m.originId)) continue;
      if (!known) keys.add(m.key);
      else if (known.sort <= w.low) met = true;
      const { unread, ...rest } = m;
      const quiet = page.quiet && old.markers[m.chat] === undefined && w.chat.read === undefined;
      w.entries.push({ m: unread && !quiet ? m : rest, known });
    }
    for (const w of walks.values()) await (gap ? fromEnd(tx, w, gap.fence) : fromStart(tx, w));
    const touched = await deliver(tx, page.delivered);
    const markers = { ...old.markers };
    for (const [address, w] of walks) {
      if (w.changed) touched.add(address);
      if (await finish(tx, w, place, markers[address])) delete markers[address];
    }
    await tx.objectStore('account').put({ ...account, archive: moved({ ...old, floor, markers }, place, made) } satisfies AccountRecord, 'self');
    await tx.done;
    return { chats: touched, keys, met };
  }

  private async change(f: (a: ArchiveRecord) => ArchiveRecord): Promise<void> {
    const tx = this.db.transaction('account', 'readwrite');
    const account = await tx.store.get('self');
    if (account?.archive) await tx.store.put({ ...account, archive: f(account.archive) }, 'self');
    await tx.done;
  }
}

const NOTHING = sortKey(0, 1); // the fence of a database that is empty

function placeIn(chat: ChatRecord | undefined, gap: string): GapPlace {
  return chat?.gaps?.[gap] ?? { low: '' };
}

/** What the page does to the record of the archive. */
function moved(old: ArchiveRecord, place: Place, made: GapRecord | undefined): ArchiveRecord {
  const { dropped, ...rest } = old;
  // With its end, all that was dropped has come by; it may be in a gap, though.
  const past = place.kind === 'next' && place.end && old.gaps.length === 0;
  const a = dropped && !past ? { ...rest, dropped } : rest;
  switch (place.kind) {
    case 'next': return { ...a, cursor: place.last || (a.cursor ?? ''), behind: !place.end };
    case 'newest': return { ...a, cursor: place.last || (a.cursor ?? ''), behind: false, gaps: made ? [...a.gaps, made] : a.gaps };
    default:
      if (place.chat !== undefined) return a;
      if (place.closed) return { ...a, gaps: a.gaps.filter((g) => g.id !== place.id) };
      return { ...a, gaps: a.gaps.map((g) => (g.id === place.id ? { ...g, before: place.first, pages: g.pages - 1 } : g)) };
  }
}

/** Makes a gap before the newest page; undefined where what is here leaves no place for one. */
async function openGap(tx: Tx, a: ArchiveRecord, place: Place & { kind: 'newest' }, page: Page): Promise<GapRecord | undefined> {
  const [messages, chats] = [tx.objectStore('messages'), tx.objectStore('chats')];
  const known = await chats.getAll();
  let { fence } = a;
  if (fence === NOTHING) {
    // Nothing was here: the older ones will come in below the first of this page, and what is live is above.
    fence = sortKey(Math.max(1, page.messages[0]?.time ?? 0), 0);
    for (const c of known) {
      const first = (await messages.openKeyCursor(chatRange(c.address)))?.primaryKey[1];
      if (first !== undefined && first <= fence) fence = NOTHING;
    }
  }
  const lows = known.map((c) => settledIn(c, a.floor));
  if (lows.some((low) => low >= fence)) return undefined; // the order of this session is that of the archive already
  const id = crypto.randomUUID();
  for (const [i, c] of known.entries()) await chats.put({ ...c, gaps: { ...c.gaps, [id]: { low: lows[i] ?? '' } } });
  return { id, after: a.cursor ?? '', before: place.first, fence, pages: place.pages };
}

function settledIn(chat: ChatRecord | undefined, floor: string): string {
  return chat?.settled !== undefined && chat.settled > floor ? chat.settled : floor;
}

async function begin(tx: Tx, address: string, floor: string, gap: GapRecord | undefined): Promise<Walk> {
  const chat = (await tx.objectStore('chats').get(address)) ?? emptyChat(address);
  const low = gap ? placeIn(chat, gap.id).low : settledIn(chat, floor);
  return { chat, low, high: gap ? (placeIn(chat, gap.id).edge ?? gap.fence) : '', entries: [], changed: false };
}

/** Gives each message its place after the one before it: what comes after the cursor. */
async function fromStart(tx: Tx, w: Walk): Promise<void> {
  const messages = tx.objectStore('messages');
  let at = w.low;
  for (const { m, known } of w.entries) {
    let sort = known?.sort ?? '';
    if (sort <= at) {
      const range = IDBKeyRange.bound([w.chat.address, at], [w.chat.address, []], true);
      sort = between(at, (await messages.openKeyCursor(range))?.primaryKey[1] ?? '', m.time);
    }
    await put(tx, w, m, known, sort);
    w.first ??= sort;
    w.last = at = sort;
  }
}

/** Gives each message its place before the one after it: the end of a gap. */
async function fromEnd(tx: Tx, w: Walk, fence: string): Promise<void> {
  const messages = tx.objectStore('messages');
  let { high } = w;
  let waiting: Walk['entries'] = []; // for their places, right before high
  const place = async (): Promise<void> => {
    const range = IDBKeyRange.bound([w.chat.address], [w.chat.address, high], false, true);
    const below = waiting.length > 0 ? ((await messages.openKeyCursor(range, 'prev'))?.primaryKey[1] ?? '') : '';
    let at = below > w.low ? below : w.low;
    for (const [i, { m, known }] of waiting.entries()) {
      at = between(at, high, m.time);
      await put(tx, w, m, known, at);
      if (i === 0) w.first = at;
    }
    if (waiting.length > 0) high = w.first ?? high;
    waiting = [];
  };
  for (const entry of w.entries.toReversed()) {
    const { m, known } = entry;
    if (known?.placed && known.sort >= high && known.sort < fence) await put(tx, w, m, known, known.sort); // more of this chat was here
    else if (!known || known.sort <= w.low || known.sort >= high) waiting.unshift(entry);
    else {
      await place();
      if (known.sort < high) {
        await put(tx, w, m, known, known.sort);
        w.first = high = known.sort;
      } else waiting.unshift(entry);
    }
  }
  await place();
}

/** Writes a message of the archive at its place. */
async function put(tx: Tx, w: Walk, m: NewMessage & { readonly stanzaId: string }, known: MessageRecord | undefined, sort: string): Promise<void> {
  const messages = tx.objectStore('messages');
  if (!known) {
    await messages.add({ ...m, sort, placed: 1 });
    w.changed = true;
    return;
  }
  let next = known.sort === sort ? known : await move(messages, known, sort);
  const acked = known.state === 'queued' || known.state === 'sent';
  const first = known.placed === undefined;
  w.changed ||= next !== known || acked || known.stanzaId === undefined;
  if (acked || first || known.stanzaId === undefined) {
    next = { ...next, stanzaId: m.stanzaId, placed: 1, ...(acked ? { state: 'acked' as const } : {}) };
    await messages.put(next);
    const n = acked ? await tx.objectStore('outbox').index('key').getKey(known.key) : undefined;
    if (n !== undefined) await tx.objectStore('outbox').delete(n);
  }
}

/** Writes the chat's own record after a page. Returns whether it knows now up to where the marker says that it was read. */
async function finish(tx: Tx, w: Walk, place: Place, marker: string | undefined): Promise<boolean> {
  const [messages, chats]: [Messages, Chats] = [tx.objectStore('messages'), tx.objectStore('chats')];
  const last = (await messages.openCursor(chatRange(w.chat.address), 'prev'))?.value;
  let chat: ChatRecord = { ...w.chat, ...(last ? { last } : {}), heard: Math.max(w.chat.heard, last && !last.mine ? last.time : 0) };
  if (place.kind === 'gap') {
    const old = placeIn(chat, place.id);
    const edge = w.first === undefined || (old.edge !== undefined && old.edge < w.first) ? old.edge : w.first;
    const more = place.chat === undefined ? {} : { before: place.first, ...(place.closed ? { done: true as const } : {}) };
    chat = { ...chat, gaps: { ...chat.gaps, [place.id]: { ...old, ...(edge === undefined ? {} : { edge }), ...more } } };
  } else chat = { ...chat, settled: w.last ?? w.low };
  // What came live may still be above what comes after it in the archive: its own page says what is before it.
  const find = async (id: string | undefined): Promise<MessageRecord | undefined> =>
    id === undefined ? undefined : messages.index('stanza').get([chat.address, id]);
  const to = await find(marker);
  const before = await find(chat.read);
  const known = to?.placed !== undefined && (before === undefined || before.placed !== undefined);
  if (known) chat = (await readTo(messages, chat, to.stanzaId ?? '', 'placed')) ?? chat;
  else if (to?.placed) chat = await sweep(messages, chat, to.sort, 'placed');
  const read = await find(chat.read);
  await chats.put(await sweep(messages, chat, read?.placed ? read.sort : '', 'placed'));
  return known;
}

/** Others say that they have messages of ours. Returns the chats this concerns. */
async function deliver(tx: Tx, delivered: Page['delivered']): Promise<Set<string>> {
  const touched = new Set<string>();
  for (const { key, from } of delivered) {
    const m = await tx.objectStore('messages').index('key').get(key);
    if (m?.mine !== true || m.chat !== from || m.state === 'delivered' || m.state === undefined) continue;
    const { failure: _failure, ...rest } = m;
    await tx.objectStore('messages').put({ ...rest, state: 'delivered' });
    const chat = await tx.objectStore('chats').get(from);
    if (chat?.last?.key === key) await tx.objectStore('chats').put({ ...chat, last: { ...rest, state: 'delivered' } });
    const n = await tx.objectStore('outbox').index('key').getKey(key);
    if (n !== undefined) await tx.objectStore('outbox').delete(n);
    touched.add(from);
  }
  return touched;
}
