// SPDX-License-Identifier: Apache-2.0

import 'fake-indexeddb/auto';
import { IDBFactory } from 'fake-indexeddb';
import { beforeEach, expect, it } from 'vitest';
import { Peek } from './peek';
import { Store } from './store';

const ME = 'me@kith.example';
const ANN = 'ann@kith.example';

beforeEach(() => {
  globalThis.indexedDB = new IDBFactory();
});

it('finds nothing where nothing is kept, and leaves nothing', async () => {
  expect(await Peek.open(ME)).toBeUndefined();
  expect(await indexedDB.databases()).toEqual([]);
  const store = await Store.open(ME); // with all its tables
  await store.keep('discreet', true);
  store.close();
});

it('knows people by what the person calls them, else by what they call themselves', async () => {
  const store = await Store.open(ME);
  const person = { address: ANN, name: '', subscription: 'both', asked: false, groups: [] } as const;
  await store.replacePeople([person], '1');
  const peek = await Peek.open(ME);
  expect(await peek?.name(ANN)).toBe('ann');
  await store.putFace({ address: ANN, nick: 'Annie', hash: 'h' });
  await store.putFace({ address: 'stranger@kith.example', nick: 'Ann', hash: '' });
  await store.putPicture('h', new Blob(['x']));
  expect(await peek?.name(ANN)).toBe('Annie');
  expect(await peek?.name('stranger@kith.example')).toBe(''); // a name is easily put on
  expect((await peek?.picture(ANN))?.size).toBe(1);
  expect(await peek?.picture('stranger@kith.example')).toBeUndefined();
  await store.replacePeople([{ ...person, name: 'My Ann' }], '2');
  expect(await peek?.name(ANN)).toBe('My Ann');
  expect([await peek?.discreet(), await peek?.unread()]).toEqual([false, 0]);
  await store.addIncoming({ key: 'k', chat: ANN, from: ANN, mine: false, time: 1, body: 'Hi', unread: 1 });
  await store.keep('discreet', true);
  expect([await peek?.discreet(), await peek?.unread()]).toEqual([true, 1]);
  peek?.close();
  store.close();
});

it('lets a picture go that nobody has any more', async () => {
  const store = await Store.open(ME);
  for (const address of [ANN, 'bob@kith.example']) await store.putFace({ address, nick: '', hash: 'h' });
  await store.putPicture('h', new Blob(['x']));
  await store.putFace({ address: ANN, nick: '', hash: '' });
  expect(await store.picture('h')).toBeDefined();
  await store.putFace({ address: 'bob@kith.example', nick: '', hash: 'other' });
  expect(await store.picture('h')).toBeUndefined();
  store.close();
});
