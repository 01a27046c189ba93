// SPDX-License-Identifier: Apache-2.0

// What is here of the archive against the archive itself, with pages, live messages, gaps and sessions in any order.
import 'fake-indexeddb/auto';
import fc from 'fast-check';
import { openDB } from 'idb';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MIGRATIONS, type Schema } from './schema';
import type { NewMessage } from './place';
import { Store } from './store';

const ME = 'juliet@kith.example';
const CHATS = ['romeo@kith.example', 'benvolio@kith.example'];

let store: Store;
let n = 0;

beforeEach(async () => {
  store = await fresh();
});

afterEach(() => {
  store.close();
});

async function fresh(): Promise<Store> {
  const s = await Store.open(`archive${n++}@kith.example`);
  await s.putAccount({ address: ME, rosterVersion: '' });
  return s;
}

interface Entry {
  readonly id: string;
  readonly chat: string;
  readonly mine: boolean;
  readonly origin: string; // '' for none
  readonly time: number;
}

type Paged = NewMessage & { readonly stanzaId: string };

function paged(e: Entry): Paged {
  const from = e.mine ? ME : e.chat;
  return {
    key: crypto.randomUUID(), chat: e.chat, from, mine: e.mine, time: e.time, body: e.id, stanzaId: e.id,
    ...(e.origin === '' ? {} : { originId: e.origin }),
    ...(e.mine ? { state: 'acked' as const } : { unread: 1 as const }),
  };
}

/** A server's archive, and a device that asks it. */
class World {
  readonly archive: Entry[] = [];
  private sent = 0;
  private readonly markers = new Map<string, string>(); // what the other devices said
  private readonly seen = new Set<string>(); // ids of what was looked at

  constructor(readonly device: Store, private readonly clock: (i: number) => number) {}

  /** Something is archived; live: this device gets it as well. */
  async say(chat: string, mine: boolean, live: boolean): Promise<void> {
    const i = this.archive.length;
    const e = { id: `a${String(i).padStart(5, '0')}`, chat, mine, origin: i % 3 === 0 ? '' : `o${i}`, time: this.clock(i) };
    this.archive.push(e);
    const { unread, ...rest } = paged(e);
    if (live) await this.device.addIncoming(unread ? { ...rest, unread } : rest);
  }

  /** This device writes; the server gets it now, or later. */
  async write(chat: string, acked: boolean): Promise<() => void> {
    const key = `w${this.sent++}`;
    await this.device.enqueue({ key, chat, from: ME, mine: true, time: this.clock(this.archive.length), body: key, state: 'queued', originId: key });
    const arrive = (): void => {
      const i = this.archive.length;
      this.archive.push({ id: `a${String(i).padStart(5, '0')}`, chat, mine: true, origin: key, time: this.clock(i) });
    };
    if (acked) arrive();
    return acked ? () => {} : arrive;
  }

  /** Somebody looks at a chat. */
  async look(chat: string): Promise<void> {
    const unread = (await this.device.since(chat, '')).filter((m) => m.unread).map((m) => m.stanzaId ?? '');
    await this.device.markRead(chat);
    this.readUpTo(unread.toSorted().at(-1));
  }

  /** On another device it was read up to the nth message. */
  async lookElsewhere(chat: string, nth: number): Promise<void> {
    const id = this.archive.filter((e) => e.chat === chat && !e.mine)[nth]?.id;
    if (id === undefined || id <= (this.markers.get(chat) ?? '')) return; // it goes forward only
    this.markers.set(chat, id);
    await this.device.readElsewhere(chat, id);
    this.readUpTo(id);
  }

  private readUpTo(id: string | undefined): void {
    const to = this.archive.findIndex((e) => e.id === id);
    for (const e of this.archive.slice(0, to + 1)) if (e.chat === this.archive[to]?.chat) this.seen.add(e.id);
  }

  /** A few pages after the cursor. */
  async forward(size: number, pages: number): Promise<void> {
    for (let p = 0; p < pages; p++) {
      const { cursor } = (await this.device.archive.record()) ?? {};
      if (cursor === undefined) return this.newest(size);
      const i = cursor === '' ? 0 : this.archive.findIndex((e) => e.id === cursor) + 1;
      const page = this.archive.slice(i, i + size);
      const end = i + size >= this.archive.length;
      await this.device.archive.add({ messages: page.map(paged), delivered: [], quiet: false }, { kind: 'next', last: page.at(-1)?.id ?? '', end });
      if (end) return;
    }
  }

  async newest(size: number): Promise<void> {
    const { cursor } = (await this.device.archive.record()) ?? {};
    const i = this.archive.findIndex((e) => e.id === cursor) + 1; // it is asked for where much more is missing
    const page = this.archive.slice(Math.max(i, this.archive.length - size));
    if (i > 0 && page.length === 0) return;
    await this.device.archive.add(
      { messages: page.map(paged), delivered: [], quiet: false },
      { kind: 'newest', first: page[0]?.id ?? '', last: page.at(-1)?.id ?? '', whole: page.length === this.archive.length, pages: Number.POSITIVE_INFINITY },
    );
  }

  /** The end of the newest gap, of all chats or of one. */
  async fill(size: number, chat?: string): Promise<boolean> {
    const gap = (await this.device.archive.record())?.gaps.at(-1);
    const edge = gap && (chat === undefined ? gap : await this.device.archive.edge(gap.id, chat));
    if (!gap || !edge) return false;
    const after = edge.after === '' ? -1 : this.archive.findIndex((e) => e.id === edge.after);
    const before = this.archive.findIndex((e) => e.id === edge.before);
    const all = this.archive.slice(after + 1, before).filter((e) => chat === undefined || e.chat === chat);
    const page = all.slice(-size);
    const place = { kind: 'gap', id: gap.id, first: page[0]?.id ?? '', closed: page.length === all.length, ...(chat === undefined ? {} : { chat }) } as const;
    await this.device.archive.add({ messages: page.map(paged), delivered: [], quiet: false }, place);
    return true;
  }

  async matches(): Promise<void> {
    for (const chat of CHATS) {
      const here = (await this.device.since(chat, '')).map((m) => m.stanzaId ?? `not archived: ${m.body}`);
      expect(here).toEqual(this.archive.filter((e) => e.chat === chat).map((e) => e.id));
      const record = await this.device.chat(chat);
      const all = await this.device.since(chat, '');
      expect(record?.unread ?? 0).toBe(all.filter((m) => m.unread === 1).length);
      const unread = this.archive.filter((e) => e.chat === chat && !e.mine && !this.seen.has(e.id)).map((e) => e.id);
      expect(all.filter((m) => m.unread === 1).map((m) => m.stanzaId)).toEqual(unread);
      expect(record?.last?.key).toBe(all.at(-1)?.key);
    }
  }
}

const step = fc.record({
  what: fc.constantFrom('say', 'say', 'live', 'live', 'phone', 'write', 'begin', 'forward', 'newest', 'fill', 'fill', 'fillChat', 'look', 'there'),
  chat: fc.constantFrom(...CHATS),
  size: fc.integer({ min: 1, max: 4 }),
});

describe('the archive', () => {
  it.each([
    ['a clock that goes on', (i: number): number => 1_000_000 + i * 7],
    ['a clock that stands still', (): number => 1_000_000],
    ['a clock that goes back', (i: number): number => 1_000_000 - i * 7],
    ['a clock that jumps', (i: number): number => 1_000_000 + ((i * 7919) % 101)],
  ])('is here as it is, with %s', async (_what, clock) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        const device = await fresh();
        const world = new World(device, clock);
        let late: (() => void)[] = [];
        await device.archive.begin();
        let online = true;
        for (const { what, chat, size } of steps) {
          if (what === 'say' || what === 'live' || what === 'phone') {
            // While a session lasts, all comes live.
            await world.say(chat, what === 'phone', online);
            if (what === 'say') online = false;
          } else if (what === 'look') await world.look(chat);
          else if (what === 'there') await world.lookElsewhere(chat, size);
          else if (what === 'write') late.push(await world.write(chat, size > 2));
          else if (what === 'begin') {
            for (const arrive of late) arrive();
            late = [];
            online = true;
            await device.archive.begin();
          } else if (what === 'forward') await world.forward(size, size);
          else if (what === 'newest') {
            if ((await device.archive.record())?.cursor === undefined) await world.newest(size);
            else if (!online) {
              // A new session that finds very much.
              online = true;
              await device.archive.begin();
              await world.newest(size);
            }
          } else await world.fill(size, what === 'fillChat' ? chat : undefined);
        }
        for (const arrive of late) arrive();
        await device.archive.begin();
        while (await world.fill(3)) { /* until there is no gap */ }
        await world.forward(3, Number.POSITIVE_INFINITY);
        while (await world.fill(3)) { /* nor one of the last pages */ }
        await world.forward(3, Number.POSITIVE_INFINITY);
        await world.matches();
        device.close();
      }),
      { numRuns: 80 },
    );
  }, 60_000);

  it('settles what of ours it has, and takes it out of the outbox', async () => {
    const world = new World(store, (i) => i + 1);
    await store.archive.begin();
    await world.forward(1, 1);
    (await world.write(CHATS[0] ?? '', true))();
    await store.take('w0');
    await world.forward(10, 1);
    expect(await store.outbox()).toEqual([]);
    expect(await store.message('w0')).toMatchObject({ state: 'acked', stanzaId: 'a00000' });
  });

  it('keeps unread what comes live, though a new device had it for history', async () => {
    await store.archive.begin();
    const [chat = ''] = CHATS;
    const page = ['a0', 'a1'].map((id) => paged({ id, chat, mine: false, origin: '', time: 1 }));
    await store.archive.add({ messages: page, delivered: [], quiet: true }, { kind: 'newest', first: 'a0', last: 'a1', whole: true, pages: 4 });
    expect((await store.chat(chat))?.unread).toBe(0);
    const [, m] = page;
    expect(m && (await store.addIncoming(m))).toBe(true);
    expect(m && (await store.addIncoming(m))).toBe(false);
    expect(await store.chat(chat)).toMatchObject({ unread: 1, last: { unread: 1, stanzaId: 'a1' } });
    await store.markRead(chat);
    expect(m && (await store.addIncoming(m))).toBe(false); // again, by a session that goes on
    expect((await store.chat(chat))?.unread).toBe(0);
  });

  it('has no history to skip where it was empty as the device first saw it', async () => {
    await store.archive.begin('');
    expect((await store.archive.record())?.cursor).toBe('');
  });

  it('does not take for read what a page puts below what was read live', async () => {
    const world = new World(store, (i) => 1_000_000 + i);
    await store.archive.begin('');
    const [chat = ''] = CHATS;
    await world.say(chat, false, true);
    await world.look(chat);
    for (let i = 0; i < 5; i++) await world.say(chat, false, i < 3);
    await world.newest(1); // with a gap, in which is what came live
    await world.fill(2);
    expect((await store.chat(chat))?.unread).toBe(5);
    while (await world.fill(2)) { /* to its beginning */ }
    await world.matches();
  });

  it('keeps what was sent twice once', async () => {
    const world = new World(store, (i) => i + 1);
    await store.archive.begin();
    const e = { chat: CHATS[0] ?? '', mine: true, origin: 'o', time: 1 };
    world.archive.push({ ...e, id: 'a0' }, { ...e, id: 'a1', origin: 'p' }, { ...e, id: 'a2' });
    await world.forward(2, 5);
    expect((await store.since(e.chat, '')).map((m) => m.stanzaId)).toEqual(['a1', 'a2']);
    await world.fill(5);
    expect((await store.since(e.chat, '')).map((m) => m.stanzaId)).toEqual(['a1', 'a2']);
  });
});

describe('a database of an earlier version', () => {
  it.each(MIGRATIONS.map((_, i) => i + 1))('opens: %d', async (version) => {
    const address = `old${version}@kith.example`;
    const db = await openDB<Schema>(`kith/${address}`, version, {
      upgrade(d, from, _to, tx) {
        for (const s of MIGRATIONS.slice(from, version)) s(d, tx);
      },
    });
    await db.put('account', { address, rosterVersion: '7', token: { secret: 's', count: 3 } }, 'self');
    const m = { key: 'k', chat: CHATS[0] ?? '', sort: '00kgp1bz80000', from: CHATS[0] ?? '', mine: false, time: 1000, body: 'old', stanzaId: 'a00000', unread: 1 } as const;
    await db.put('messages', m);
    await db.put('chats', { address: m.chat, last: m, unread: 1, heard: 1000 });
    await db.put('outbox', { key: 'k2', chat: m.chat, body: 'waits' });
    db.close();
    const now = await Store.open(address);
    expect(await now.account()).toEqual({ address, rosterVersion: '7', token: { secret: 's', count: 3 } });
    await now.archive.begin();
    // The archive has it, and more.
    const page = ['a00000', 'a00001'].map((id) => paged({ id, chat: m.chat, mine: false, origin: '', time: 2000 }));
    await now.archive.add({ messages: page, delivered: [], quiet: true }, { kind: 'newest', first: 'a00000', last: 'a00001', whole: false, pages: 4 });
    expect((await now.since(m.chat, '')).map((r) => [r.key === 'k', r.stanzaId])).toEqual([[true, 'a00000'], [false, 'a00001']]);
    expect((await now.chat(m.chat))?.unread).toBe(1);
    expect(await now.outbox()).toHaveLength(1);
    now.close();
  });
});
