// SPDX-License-Identifier: Apache-2.0

import 'fake-indexeddb/auto';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { after, between, sortKey } from './sort';
import { Profile } from './profile';
import { type NewMessage, Store } from './store';

const ME = 'juliet@kith.example';
const PEER = 'romeo@kith.example';

let store: Store;
let n = 0;

beforeEach(async () => {
  store = await Store.open(`juliet${n++}@kith.example`);
});

afterEach(() => {
  store.close();
});

function incoming(body: string, time: number, more: Partial<NewMessage> = {}): NewMessage {
  return { key: crypto.randomUUID(), chat: PEER, from: PEER, mine: false, time, body, unread: 1, ...more };
}

function outgoing(key: string, time = 1000): NewMessage {
  return { key, chat: PEER, from: ME, mine: true, time, body: key, state: 'queued', originId: key };
}

const bodies = async (): Promise<string[]> => (await store.before(PEER, '', 100)).map((m) => m.body);

describe('sort keys', () => {
  it('compare as times, then as counts', () => {
    const time = fc.integer({ min: 0, max: 8.64e15 / 100 });
    fc.assert(fc.property(time, time, fc.nat(1_000_000), fc.nat(1_000_000), (a, b, i, j) => {
      const want = a === b ? Math.sign(i - j) : Math.sign(a - b);
      const [x, y] = [sortKey(a, i), sortKey(b, j)];
      expect(x < y ? -1 : x > y ? 1 : 0).toBe(want);
    }));
  });

  it('go up, whatever the clock does', () => {
    fc.assert(fc.property(fc.array(fc.nat(10_000), { minLength: 2 }), (clock) => {
      let last = '';
      for (const now of clock) {
        const next = after(last, now);
        expect(next > last).toBe(true);
        last = next;
      }
    }));
  });

  it('have room between any two', () => {
    fc.assert(fc.property(fc.array(fc.tuple(fc.nat(60), fc.nat(5)), { minLength: 1, maxLength: 60 }), (steps) => {
      const keys: string[] = [];
      for (const [where, time] of steps) {
        const i = where % (keys.length + 1);
        const key = between(keys[i - 1] ?? '', keys[i] ?? '', time);
        keys.splice(i, 0, key);
      }
      expect(keys).toEqual(keys.toSorted());
      expect(new Set(keys).size).toBe(keys.length);
    }));
    expect(between(sortKey(5, 0), sortKey(9, 0), 7)).toBe(sortKey(7, 0));
  });
});

describe('messages', () => {
  it('come in the order of arrival', async () => {
    await store.addIncoming(incoming('a1', 2000));
    await store.addIncoming(incoming('a2', 2000));
    await store.addIncoming(incoming('b', 3000));
    await store.addIncoming(incoming('c', 1500)); // the clock was put back
    expect(await bodies()).toEqual(['a1', 'a2', 'b', 'c']);
    expect((await store.chat(PEER))?.last?.body).toBe('c');
    const page = await store.before(PEER, '', 2);
    expect(page.map((m) => m.body)).toEqual(['b', 'c']);
    expect((await store.before(PEER, page[0]?.sort ?? '', 9)).map((m) => m.body)).toEqual(['a1', 'a2']);
    expect((await store.since(PEER, page[0]?.sort ?? '')).map((m) => m.body)).toEqual(['b', 'c']);
  });

  it('are kept once', async () => {
    expect(await store.addIncoming(incoming('x', 1, { stanzaId: 's', originId: 'o' }))).toBe(true);
    expect(await store.addIncoming(incoming('x', 2, { stanzaId: 's' }))).toBe(false);
    expect(await store.addIncoming(incoming('x', 3, { stanzaId: 'other', originId: 'o' }))).toBe(false);
    expect(await store.addIncoming(incoming('y', 4, { originId: 'o', from: 'mallory@kith.example', chat: 'mallory@kith.example' }))).toBe(true);
    expect(await store.addIncoming(incoming('x', 5))).toBe(true); // no ids: cannot be told apart, so kept
    expect(await bodies()).toEqual(['x', 'x']);
  });

  it('are unread until somebody looks', async () => {
    await store.addIncoming(incoming('new', 2000));
    await store.addIncoming(incoming('newer', 3000));
    expect((await store.chat(PEER))?.unread).toBe(2);
    expect((await store.firstUnread(PEER))?.body).toBe('new');
    expect(await store.markRead(PEER)).toBe(true);
    expect(await store.markRead(PEER)).toBe(false);
    expect(await store.firstUnread(PEER)).toBeUndefined();
    expect(await store.chat(PEER)).toMatchObject({ unread: 0, last: { body: 'newer' } });
    expect(await store.markRead('nobody@kith.example')).toBe(false);
  });
});

describe('outbox', () => {
  it('keeps the order and lets go when the server has it', async () => {
    await store.enqueue(outgoing('1'));
    await store.enqueue(outgoing('2'));
    expect((await store.outbox()).map((e) => e.key)).toEqual(['1', '2']);
    expect(await store.take('1')).toBe(true);
    expect((await store.message('1'))?.state).toBe('sent');
    expect((await store.settle('1', 'acked'))?.state).toBe('acked');
    expect((await store.outbox()).map((e) => e.key)).toEqual(['2']);
    expect(await store.take('1')).toBe(false);
  });

  it('never goes back', async () => {
    await store.enqueue(outgoing('1'));
    await store.settle('1', 'delivered');
    expect(await store.settle('1', 'acked')).toBeUndefined();
    expect(await store.settle('1', 'failed', 'server')).toBeUndefined();
    expect((await store.message('1'))?.state).toBe('delivered');
    expect(await store.settle('unknown', 'acked')).toBeUndefined();
  });

  it('waits again when the connection is lost', async () => {
    await store.enqueue(outgoing('1'));
    await store.enqueue(outgoing('2'));
    await store.take('1');
    await store.take('2');
    await store.settle('1', 'acked');
    expect([...(await store.putBack())]).toEqual([PEER]);
    expect((await store.message('1'))?.state).toBe('acked');
    expect((await store.message('2'))?.state).toBe('queued');
  });

  it('sends a failed one again, at the end', async () => {
    await store.enqueue(outgoing('1', 1000));
    await store.addIncoming(incoming('what?', 2000));
    expect(await store.requeue('1', 3000)).toBe(false);
    await store.settle('1', 'failed', 'refused');
    expect(await store.outbox()).toEqual([]);
    expect(await store.requeue('1', 3000)).toBe(true);
    expect(await bodies()).toEqual(['what?', '1']);
    const m = await store.message('1');
    expect(m).toMatchObject({ state: 'queued', time: 3000 });
    expect(m).not.toHaveProperty('failure');
    expect((await store.outbox()).map((e) => e.key)).toEqual(['1']);
  });

  it('drops what waits or failed, and nothing else', async () => {
    await store.addIncoming(incoming('first', 500));
    await store.enqueue(outgoing('1', 1000));
    expect(await store.discard('1')).toBe(true);
    expect(await store.outbox()).toEqual([]);
    expect((await store.chat(PEER))?.last?.body).toBe('first');
    await store.enqueue(outgoing('2', 1000));
    await store.take('2');
    expect(await store.discard('2')).toBe(false);
    expect(await store.discard('unknown')).toBe(false);
  });
});

describe('people', () => {
  it('come with the version of the list', async () => {
    await store.putAccount({ address: ME, rosterVersion: '' });
    const romeo = { address: PEER, name: 'Romeo', subscription: 'both', asked: false, groups: [] } as const;
    await store.replacePeople([romeo], '1');
    await store.putPerson('x@kith.example', { ...romeo, address: 'x@kith.example' }, '2');
    await store.putPerson(PEER, undefined, '3');
    expect((await store.people()).map((p) => p.address)).toEqual(['x@kith.example']);
    expect((await store.account())?.rosterVersion).toBe('3');
  });
});

describe('an account', () => {
  it('is forgotten with all that was kept', async () => {
    let told = '';
    const one = await Store.open('gone@kith.example', (why) => {
      told = why;
    });
    await one.putAccount({ address: 'gone@kith.example', rosterVersion: '' });
    await Store.forget('gone@kith.example');
    expect(told).toBe('forgotten');
    const two = await Store.open('gone@kith.example');
    expect(await two.account()).toBeUndefined();
    two.close();
  });

  it('is used from an installation that stays the same', async () => {
    const profile = await Profile.open();
    const id = await profile.client();
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(await (await Profile.open()).client()).toBe(id);
  });
});
