// SPDX-License-Identifier: Apache-2.0

// What is here against what the archive of the server has, whatever happens on the way.
import { IDBFactory } from 'fake-indexeddb';
import 'fake-indexeddb/auto';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Profile } from '../store/profile';
import { Store } from '../store/store';
import { FakeServer } from '../stream/testing/server';
import { attr, child, childText, type Element, x } from '../xml/element';
import { parse } from '../xml/parse';
import { KithApp } from './app';
import { FakeBrowser, type FakeTab } from './testing/env';
import type { CatchUp, Message } from './view';

const C = 'jabber:client';
const ROMEO = 'romeo@kith.example';
const BENVOLIO = 'benvolio@kith.example';
const JULIET = 'juliet@kith.example';
const PEERS = [ROMEO, BENVOLIO] as const;

let server: FakeServer;
let browser: FakeBrowser;
let tab: FakeTab;
let clock: number;
const apps: KithApp[] = [];

beforeEach(() => {
  vi.spyOn(Math, 'random').mockReturnValue(0); // the shortest waits
  fresh();
});

function fresh(): void {
  globalThis.indexedDB = new IDBFactory();
  server = new FakeServer();
  server.sleeps = server.archives = true;
  clock = 1_900_000_000_000;
  server.now = () => (clock += 10);
  for (const name of ['juliet', 'romeo', 'benvolio']) server.add(name);
  server.befriend('juliet', 'romeo');
  server.befriend('juliet', 'benvolio');
  browser = new FakeBrowser(server.dial);
  tab = browser.tab();
}

async function close(): Promise<void> {
  server.reachable = true;
  server.silent = false;
  for (const app of apps.splice(0)) await app.logOut();
}

afterEach(async () => {
  await close();
  vi.useRealTimers();
  vi.restoreAllMocks();
});

async function start(at: FakeTab = tab): Promise<KithApp> {
  const app = new KithApp(at, await Profile.open());
  apps.push(app);
  await app.start();
  return app;
}

async function signedIn(): Promise<KithApp> {
  const app = await start();
  await app.logIn('juliet', 'correct horse');
  await online(app);
  return app;
}

/** The page goes, with or without a word; another comes. */
async function reload(app: KithApp, farewell: boolean): Promise<KithApp> {
  if (farewell) tab.leave();
  await new Promise((done) => setTimeout(done, 5));
  const inside: unknown = Reflect.get(app, 'inside');
  const engine: unknown = typeof inside === 'object' && inside !== null && Reflect.get(inside, 'engine');
  if (typeof engine === 'object' && engine !== null) Reflect.set(engine, 'stopped', true); // a page that is gone does nothing more
  tab.crash();
  server.cut();
  apps.splice(apps.indexOf(app), 1);
  browser = new FakeBrowser(server.dial);
  tab = browser.tab();
  return start();
}

async function until(is: () => boolean | Promise<boolean>, timeout = 4000): Promise<void> {
  await vi.waitFor(async () => {
    if (!(await is())) throw new Error(`waited in vain for ${is.toString()}`);
  }, { timeout, interval: 5 });
}

const online = (app: KithApp): Promise<void> => until(() => app.connection.value === 'online' && server.online(JULIET).length > 0);

async function messages(app: KithApp, chat: string = ROMEO): Promise<readonly Message[]> {
  const t = await app.timeline(chat);
  while (!t.complete.value) await t.older();
  t.close();
  return t.messages.value;
}

const bodies = async (app: KithApp, chat: string = ROMEO): Promise<string[]> => (await messages(app, chat)).map((m) => m.body);

/** What the archive has of a chat; of what was sent twice, the first. */
function truth(chat: string): string[] {
  const archive = server.accounts.get('juliet')?.archive ?? [];
  const all = archive.filter((e) => e.peer === chat).map((e) => childText(e.el, C, 'body')).filter((b) => b !== undefined);
  return [...new Set(all)];
}

/** What nobody has looked at, as it is kept. */
async function unread(chat: string): Promise<string[]> {
  const store = await Store.open(JULIET);
  const found = (await store.since(chat, '')).filter((m) => m.unread).map((m) => m.body);
  expect((await store.chat(chat))?.unread ?? 0).toBe(found.length);
  store.close();
  return found;
}

let count = 0;

/** Somebody writes; origin: with an id of theirs. */
function say(from: string, body: string, origin = true): void {
  const id = `origin-${++count}`;
  const sid = origin ? `<origin-id xmlns="urn:xmpp:sid:0" id="${id}"/><request xmlns="urn:xmpp:receipts"/>` : '';
  server.route(parse(`<message xmlns="${C}" from="${from}/phone" to="${JULIET}" type="chat" id="${id}"><body>${body}</body>${sid}</message>`));
}

/** Another device of ours writes. */
function write(to: string, body: string): void {
  const account = server.accounts.get('juliet');
  const id = `other-${++count}`;
  const el = x(C, 'message', { from: `${JULIET}/phone`, to, type: 'chat', id }, x(C, 'body', {}, body), x('urn:xmpp:sid:0', 'origin-id', { id }));
  if (account) server.sentBy(account, el);
}

const archiveOf = async (app: KithApp): Promise<Awaited<ReturnType<Store['archive']['record']>>> => {
  const store = await Store.open(app.session.value.kind === 'in' ? app.session.value.address : '');
  const record = await store.archive.record();
  store.close();
  return record;
};

const caughtUp = (app: KithApp): Promise<void> => until(async () => {
  const record = await archiveOf(app);
  return record !== undefined && !record.behind && record.gaps.every((g) => g.pages <= 0) && app.catchUp.value === undefined;
}, 20_000);

/** The session cannot be resumed; a new one catches up. */
async function away(app: KithApp): Promise<void> {
  server.reachable = false;
  server.cut();
  await until(() => app.connection.value !== 'online');
  server.forgetSessions();
}

async function back(app: KithApp): Promise<void> {
  server.reachable = true;
  app.reconnect();
  await online(app);
  await caughtUp(app);
}

const received = (name: string): Element[] => server.received.filter((el) => child(el, 'urn:xmpp:receipts', 'received') !== undefined && attr(el, 'to').startsWith(name));

describe('catching up', () => {
  it('finds what came while away, in order, and says to the senders that it has it', async () => {
    const app = await signedIn();
    say(ROMEO, 'one');
    await until(async () => (await bodies(app)).length === 1);
    await away(app);
    for (const body of ['two', 'three']) say(ROMEO, body);
    write(ROMEO, 'from the phone');
    say(BENVOLIO, 'hello');
    await back(app);
    expect(await bodies(app)).toEqual(['one', 'two', 'three', 'from the phone']);
    expect(await bodies(app, BENVOLIO)).toEqual(['hello']);
    expect((await messages(app)).map((m) => m.mine)).toEqual([false, false, false, true]);
    await until(() => app.unread.value === 4);
    await until(() => received(ROMEO).length === 3);
    expect((await messages(app))[1]?.time).toBeLessThan(clock);
  });

  it('is not fooled by what comes live before it ends', async () => {
    const app = await signedIn();
    await away(app);
    for (let i = 0; i < 250; i++) say(PEERS[i % 2] ?? ROMEO, `m${i}`);
    const page = server.page;
    server.page = 10; // it takes its time
    server.reachable = true;
    app.reconnect();
    await online(app);
    for (let i = 0; i < 5; i++) say(ROMEO, `live${i}`);
    server.page = page;
    await caughtUp(app);
    for (const peer of PEERS) expect(await bodies(app, peer)).toEqual(truth(peer));
  });

  it('takes the newest first where very much is missing, 5,000 messages once and in order, and says how far it is', async () => {
    const app = await signedIn();
    say(ROMEO, 'before');
    await until(async () => (await bodies(app)).length === 1);
    await away(app);
    for (let i = 0; i < 5000; i++) say(PEERS[i % 2] ?? ROMEO, `m${i}`, i % 3 > 0);
    const missing = server.accounts.get('juliet')?.archive.length; // with our own receipt
    const told: CatchUp[] = [];
    app.catchUp.subscribe((c) => void (c && told.push(c)));
    server.reachable = true;
    app.reconnect();
    await until(() => app.catchUp.value !== undefined);
    app.holdCatchUp(true);
    await until(() => app.catchUp.value?.paused === true);
    const t = await app.timeline(ROMEO);
    await until(() => t.messages.value.at(-1)?.body === 'm4998');
    expect(t.gaps.value).toHaveLength(1); // a row between the old and the newest
    const below = t.gaps.value[0]?.before ?? '';
    const at = t.messages.value.findIndex((m) => m.key === below);
    expect(t.messages.value[at - 1]?.body).toBe('before');
    app.holdCatchUp(false);
    await caughtUp(app);
    await until(() => t.gaps.value.length === 0);
    t.close();
    expect(await bodies(app)).toEqual(['before', ...truth(ROMEO).slice(1)]);
    expect(await bodies(app, BENVOLIO)).toEqual(truth(BENVOLIO));
    await until(() => app.unread.value === 5001);
    expect(told.at(-1)?.done).toBe(missing);
    expect(told.some((c) => c.total === missing)).toBe(true);
  }, 60_000);

  it('goes on after a cut in the middle of it', async () => {
    const app = await signedIn();
    await away(app);
    for (let i = 0; i < 500; i++) say(ROMEO, `m${i}`);
    for (let cut = 0; cut < 3; cut++) {
      server.reachable = true;
      app.reconnect();
      await until(async () => (await bodies(app)).length > cut * 100);
      await away(app);
      say(ROMEO, `later${cut}`);
    }
    await back(app);
    expect(await bodies(app)).toEqual(truth(ROMEO));
  });

  it('fetches what there is where the server has forgotten the cursor', async () => {
    const app = await signedIn();
    say(ROMEO, 'kept here');
    await until(async () => (await bodies(app)).length === 1);
    await away(app);
    await back(app); // the cursor stands there
    await away(app);
    for (let i = 0; i < 150; i++) say(ROMEO, `m${i}`);
    server.accounts.get('juliet')?.archive.splice(0, 20); // retention
    await back(app);
    expect(await bodies(app)).toEqual(['kept here', ...truth(ROMEO)]);
  });

  it('leaves unread what comes live in a flood, though the archive is asked in the middle of it', async () => {
    const app = await signedIn();
    await caughtUp(app);
    say(ROMEO, 'read');
    await until(() => app.unread.value === 1);
    app.look(ROMEO);
    await until(() => app.unread.value === 0);
    app.look('');
    server.asks = 250; // then the archive is asked, while most of it waits to be taken in
    for (let i = 0; i < 2500; i++) say(ROMEO, `m${i}`);
    await until(() => app.unread.value >= 2400, 30_000);
    await caughtUp(app);
    await until(() => app.unread.value === 2500);
    expect(await bodies(app)).toEqual(truth(ROMEO));
  }, 60_000);

  it('of a new device takes a little, and more of a chat when one goes back in it', async () => {
    for (let i = 0; i < 1500; i++) say(PEERS[i % 2] ?? ROMEO, `m${i}`);
    const app = await signedIn();
    await caughtUp(app);
    expect(app.unread.value).toBe(0);
    expect(received('')).toEqual([]);
    const t = await app.timeline(ROMEO);
    const here = async (): Promise<number> => {
      const store = await Store.open(JULIET);
      const all = await store.since(ROMEO, '');
      store.close();
      return all.length;
    };
    expect(await here()).toBe(250);
    while (!t.complete.value) await t.older();
    expect(t.messages.value.map((m) => m.body)).toEqual(truth(ROMEO));
    t.close();
    expect(await bodies(app, BENVOLIO)).toEqual(truth(BENVOLIO));
  });

  it('does not bring back what came back and was taken away', async () => {
    const app = await signedIn();
    await app.send('nobody@kith.example', 'Anyone?');
    await until(async () => (await messages(app, 'nobody@kith.example'))[0]?.state === 'failed');
    const [{ key } = { key: '' }] = await messages(app, 'nobody@kith.example');
    await app.discard(key);
    for (let n = 0; n < 2; n++) {
      await away(app);
      say(ROMEO, `m${n}`);
      await back(app);
    }
    expect(await bodies(app)).toEqual(['m0', 'm1']);
    expect(await bodies(app, 'nobody@kith.example')).toEqual([]);
  });

  it('does without an archive', async () => {
    server.archives = false;
    const app = await signedIn();
    say(ROMEO, 'one');
    await until(async () => (await bodies(app)).length === 1);
    await away(app);
    say(ROMEO, 'two');
    server.reachable = true;
    app.reconnect();
    await until(async () => (await bodies(app)).length === 2);
  });
});

describe('copies', () => {
  it('of what other devices send and get are kept, where they are from our own account', async () => {
    const app = await signedIn();
    write(ROMEO, 'from the phone');
    await until(async () => (await bodies(app)).length === 1);
    const forged = parse(
      `<message xmlns="${C}" from="mallory@kith.example" to="${JULIET}" type="chat"><sent xmlns="urn:xmpp:carbons:2"><forwarded xmlns="urn:xmpp:forward:0"><message xmlns="${C}" from="${JULIET}/phone" to="${ROMEO}" type="chat"><body>never</body></message></forwarded></sent></message>`,
    );
    for (const c of server.online(JULIET)) c.deliver(forged);
    // To another device of ours, by its full address.
    server.route(parse(`<message xmlns="${C}" from="${ROMEO}/a" to="${server.online(JULIET)[0]?.jid}" type="chat"><body>hello</body></message>`));
    await until(async () => (await bodies(app)).length === 2);
    expect((await messages(app)).map((m) => [m.body, m.mine, m.state])).toEqual([['from the phone', true, 'acked'], ['hello', false, undefined]]);
    expect(app.unread.value).toBe(1);
  });
});

describe('a session', () => {
  it('goes on after a lost connection, and nothing is sent or shown twice', async () => {
    const app = await signedIn();
    await app.send(ROMEO, 'one');
    server.cut();
    for (let i = 0; i < 30; i++) say(BENVOLIO, `m${i}`);
    say(ROMEO, 'two');
    await app.send(ROMEO, 'three');
    await until(async () => (await bodies(app, BENVOLIO)).length === 30);
    await until(async () => (await bodies(app)).length === 3 && (await messages(app)).every((m) => !m.mine || m.state === 'acked'));
    const presences = server.received.filter((el) => el.name === 'presence' && attr(el, 'to') === '');
    expect(presences).toHaveLength(1);
    expect(truth(ROMEO).toSorted()).toEqual(['one', 'three', 'two']);
    expect(server.accounts.get('juliet')?.archive.filter((e) => e.peer === ROMEO && childText(e.el, C, 'body') !== undefined)).toHaveLength(3);
  });

  it.each([true, false])('goes on after a reload (with a farewell: %s), and still knows who is there', async (farewell) => {
    let app = await signedIn();
    for (const c of server.online(JULIET)) c.deliver(parse(`<presence xmlns="${C}" from="${ROMEO}/a"/>`));
    await until(() => app.contacts.value.some((c) => c.show === 'online'));
    say(ROMEO, 'one');
    await until(async () => (await bodies(app)).length === 1);
    app = await reload(app, farewell);
    say(ROMEO, 'two');
    await online(app);
    await until(async () => (await bodies(app)).length === 2);
    expect(app.contacts.value.find((c) => c.address === ROMEO)?.show).toBe('online');
    expect(server.received.filter((el) => el.name === 'presence' && attr(el, 'to') === '')).toHaveLength(1);
    await app.send(ROMEO, 'three');
    await until(async () => (await messages(app)).at(-1)?.state === 'acked');
  });

  it('whose page went before it had said that it is there, does so with the next one', async () => {
    let app = await start();
    let jid = '';
    server.also = (from, iq) => {
      if (child(iq, 'jabber:iq:roster', 'query')) ({ jid } = from);
      return jid !== ''; // no contacts, so no presence
    };
    await app.logIn('juliet', 'correct horse');
    await until(() => jid !== '');
    server.also = undefined;
    app = await reload(app, true);
    await online(app);
    expect(server.received.filter((el) => el.name === 'presence' && attr(el, 'to') === '')).toHaveLength(1);
    expect(server.online(JULIET).map((c) => c.jid)).toEqual([jid]); // it is the same session
    say(ROMEO, 'one');
    await until(() => app.unread.value === 1);
  });

  it('sends again what the server has not got, and not what it has', async () => {
    const app = await signedIn();
    await app.send(ROMEO, 'there');
    await until(async () => (await messages(app))[0]?.state === 'acked');
    server.lagging = true; // it has the next one, but does not say so
    await app.send(ROMEO, 'had');
    await until(() => truth(ROMEO).includes('had'));
    server.silent = true;
    await app.send(ROMEO, 'lost');
    await until(async () => (await messages(app)).at(-1)?.state === 'sent');
    server.silent = server.lagging = false;
    await away(app);
    await back(app);
    await until(async () => (await messages(app)).every((m) => m.state === 'acked'));
    const archive = server.accounts.get('juliet')?.archive ?? [];
    expect(archive.map((e) => childText(e.el, C, 'body'))).toEqual(['there', 'had', 'lost']);
  });

  it('tells the server whether somebody looks', async () => {
    const app = await signedIn();
    const [c] = server.online(JULIET);
    tab.seen = false;
    app.look('');
    await until(() => c?.active === false);
    tab.seen = true;
    app.look(ROMEO);
    await until(() => c?.active === true);
    expect(c?.states).toEqual(['inactive', 'active']);
  });
});

describe('what was read', () => {
  const marker = (chat: string): string => {
    const item = server.accounts.get('juliet')?.nodes.get('urn:xmpp:mds:displayed:0')?.get(chat);
    const displayed = item && child(item, 'urn:xmpp:mds:displayed:0', 'displayed');
    const id = displayed && child(displayed, 'urn:xmpp:sid:0', 'stanza-id');
    return id ? attr(id, 'id') : '';
  };
  const readThere = (chat: string, id: string): void => {
    const account = server.accounts.get('juliet');
    const displayed = x('urn:xmpp:mds:displayed:0', 'displayed', {}, x('urn:xmpp:sid:0', 'stanza-id', { by: JULIET, id }));
    if (account) server.publish(account, 'urn:xmpp:mds:displayed:0', x('http://jabber.org/protocol/pubsub', 'item', { id: chat }, displayed));
  };
  const idOf = (body: string): string => server.accounts.get('juliet')?.archive.find((e) => childText(e.el, C, 'body') === body)?.id ?? '';

  it('here is told to the other devices', async () => {
    const app = await signedIn();
    say(ROMEO, 'one');
    say(ROMEO, 'two');
    await until(() => app.unread.value === 2);
    app.look(ROMEO);
    await until(() => marker(ROMEO) !== '');
    expect(marker(ROMEO)).toBe(idOf('two'));
    say(ROMEO, 'three'); // while one looks
    await until(() => marker(ROMEO) === idOf('three'));
    expect(app.unread.value).toBe(0);
  });

  it('is told by a receipt where the server takes it out of there', async () => {
    server.features.push('urn:xmpp:mds:server-assist:0');
    const app = await signedIn();
    app.look(ROMEO);
    await new Promise((done) => setTimeout(done, 20));
    say(ROMEO, 'one');
    await until(() => received(ROMEO).length === 1);
    const [el = x('', '')] = received(ROMEO);
    const displayed = child(el, 'urn:xmpp:mds:displayed:0', 'displayed');
    expect(attr(el, 'to')).toBe(ROMEO);
    expect(displayed && attr(child(displayed, 'urn:xmpp:sid:0', 'stanza-id') ?? x('', ''), 'id')).toBe(idOf('one'));
    await new Promise((done) => setTimeout(done, 1200));
    expect(marker(ROMEO)).toBe(''); // not published beside it
  });

  it('while it comes from the archive is read', async () => {
    const app = await signedIn();
    await away(app);
    for (let i = 0; i < 150; i++) say(ROMEO, `m${i}`);
    app.look(ROMEO);
    await back(app);
    await until(() => marker(ROMEO) === idOf('m149'));
    expect(app.unread.value).toBe(0);
  });

  it('elsewhere counts here, and only forward', async () => {
    const app = await signedIn();
    for (const body of ['one', 'two', 'three']) say(ROMEO, body);
    await until(() => app.unread.value === 3);
    readThere(ROMEO, idOf('two'));
    await until(() => app.unread.value === 1);
    readThere(ROMEO, idOf('one'));
    readThere(ROMEO, 'of nobody');
    say(ROMEO, 'four');
    await until(() => app.unread.value === 2);
  });

  it('elsewhere while away counts for what comes from the archive', async () => {
    const app = await signedIn();
    await away(app);
    for (let i = 0; i < 150; i++) say(ROMEO, `m${i}`);
    readThere(ROMEO, idOf('m119'));
    await back(app);
    await until(() => app.unread.value === 30);
    expect(await bodies(app)).toEqual(truth(ROMEO));
  });
});

type Op = { readonly op: 'say' | 'phone' | 'send' | 'cut' | 'gone' | 'reload' | 'wait' | 'silent'; readonly who: number };

const op: fc.Arbitrary<Op> = fc.record({
  op: fc.constantFrom<Op['op'][]>('say', 'say', 'say', 'phone', 'send', 'send', 'cut', 'gone', 'reload', 'wait', 'silent'),
  who: fc.nat(1),
});

describe('whatever happens', () => {
  it('each message is here once, in the order of the archive, and unread if it came since the log-in', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(op, { minLength: 3, maxLength: 25 }), fc.constantFrom(1, 3, 100), fc.constantFrom(0, 3), async (ops, page, history) => {
        await close();
        fresh();
        server.page = page;
        server.asks = 7;
        for (let i = 0; i < history; i++) say(PEERS[i % 2] ?? ROMEO, `old${i}`);
        let app = await signedIn();
        if (history > 0) await caughtUp(app);
        const wrote = new Map<string, string[]>(PEERS.map((p) => [p, []]));
        for (const [i, { op: what, who }] of ops.entries()) {
          const peer = PEERS[who] ?? ROMEO;
          const body = `${what}${i}`;
          if (what === 'say') say(peer, body, i % 2 > 0);
          else if (what === 'phone') write(peer, body);
          else if (what === 'send') {
            await app.send(peer, body);
            wrote.get(peer)?.push(body);
          } else if (what === 'cut') server.cut();
          else if (what === 'gone') {
            server.cut();
            server.forgetSessions();
          } else if (what === 'reload') app = await reload(app, who === 1);
          else if (what === 'wait') await new Promise((done) => setTimeout(done, 5 * (1 + who)));
          else {
            server.silent = true;
            await new Promise((done) => setTimeout(done, 5));
            server.cut();
            server.silent = false;
          }
          if (app.connection.value === 'waiting') app.reconnect();
        }
        app.reconnect();
        await online(app);
        for (const peer of PEERS) await until(async () => (await messages(app, peer)).every((m) => !m.mine || m.state === 'acked' || m.state === 'delivered'));
        await away(app);
        await back(app);
        const archive = server.accounts.get('juliet')?.archive ?? [];
        for (const peer of PEERS) {
          expect(await bodies(app, peer)).toEqual(truth(peer));
          expect(await unread(peer)).toEqual(truth(peer).filter((b) => b.startsWith('say')));
          for (const body of wrote.get(peer) ?? []) {
            expect(archive.filter((e) => childText(e.el, C, 'body') === body)).toHaveLength(1); // nothing was sent twice
          }
          // Those of each sender stay in order.
          expect(truth(peer).filter((b) => b.startsWith('send'))).toEqual(wrote.get(peer));
        }
      }),
      { numRuns: 20 },
    );
  }, 120_000);
});
