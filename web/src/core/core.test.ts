// SPDX-License-Identifier: Apache-2.0

import { IDBFactory } from 'fake-indexeddb';
import 'fake-indexeddb/auto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Profile } from '../store/profile';
import { FakeServer } from '../stream/testing/server';
import { attr, child, childText, type Element, x } from '../xml/element';
import { parse } from '../xml/parse';
import { serialize } from '../xml/serialize';
import { type Code, KithApp } from './app';
import { FakeBrowser, type FakeTab } from './testing/env';
import type { Message, Session } from './view';

const C = 'jabber:client';
const ROMEO = 'romeo@kith.example';
const JULIET = 'juliet@kith.example';

let server: FakeServer;
let browser: FakeBrowser;
const apps: KithApp[] = [];

beforeEach(() => {
  vi.spyOn(Math, 'random').mockReturnValue(0); // the shortest waits
  globalThis.indexedDB = new IDBFactory();
  server = new FakeServer();
  server.add('juliet');
  server.add('romeo');
  server.befriend('juliet', 'romeo');
  browser = new FakeBrowser(server.dial);
});

afterEach(async () => {
  server.reachable = true;
  for (const app of apps.splice(0)) await app.logOut();
  vi.restoreAllMocks();
});

async function start(tab: FakeTab = browser.tab(), code?: Code): Promise<KithApp> {
  const app = new KithApp(tab, await Profile.open());
  apps.push(app);
  await app.start(code);
  return app;
}

async function signedIn(tab?: FakeTab): Promise<KithApp> {
  const app = await start(tab);
  await app.logIn('juliet', 'correct horse');
  await until(() => app.connection.value === 'online' && app.contacts.value.length > 0);
  await until(() => server.online(JULIET).length > 0);
  return app;
}

async function until(is: () => boolean): Promise<void> {
  await vi.waitFor(() => {
    if (!is()) throw new Error(`waited in vain for ${is.toString()}`);
  }, { timeout: 3000, interval: 5 });
}

/** A stanza of somebody else's, as it reaches our server. */
function say(xml: string): void {
  server.route(parse(xml.replace(/^<(\w+)/, `<$1 xmlns="${C}"`)));
}

async function messages(app: KithApp, chat = ROMEO): Promise<readonly Message[]> {
  const t = await app.timeline(chat);
  t.close();
  return t.messages.value;
}

const stateOf = async (app: KithApp, body: string): Promise<string | undefined> => (await messages(app)).find((m) => m.body === body)?.state;
const sent = (body: string): Element[] => server.received.filter((el) => el.name === 'message' && childText(el, C, 'body') === body);
const out = (s: Session): unknown => (s.kind === 'out' ? s.reason : s.kind);

describe('log-in', () => {
  it('stays after a reload, by token', async () => {
    const tab = browser.tab();
    const app = await signedIn(tab);
    expect(app.session.value).toEqual({ kind: 'in', address: JULIET, name: 'juliet' });
    server.tries.length = 0;
    tab.crash();
    browser = new FakeBrowser(server.dial);
    const again = await start(browser.tab());
    expect(again.session.value.kind).toBe('in');
    await until(() => again.connection.value === 'online');
    expect(server.tries).toEqual(['HT-SHA-256-NONE']);
  });

  it.each([
    ['juliet', 'wrong', 'wrong-password'],
    ['nobody', 'correct horse', 'wrong-password'],
    ['juliet@other.example', 'x', 'unknown-domain'],
    ['ju liet', 'x', 'bad-address'],
  ])('of %s with %s fails: %s', async (address, password, reason) => {
    const app = await start();
    await expect(app.logIn(address, password)).rejects.toMatchObject({ reason });
    expect(app.session.value.kind).toBe('out');
  });

  it('says when the server cannot be reached', async () => {
    const app = await start();
    server.reachable = false;
    await expect(app.logIn('juliet', 'correct horse')).rejects.toMatchObject({ reason: 'unreachable' });
  });

  it('is given up by logging out', async () => {
    const app = await start();
    const given = expect(app.logIn('juliet', 'correct horse')).rejects.toMatchObject({ reason: 'unreachable' });
    await app.logOut();
    await given;
    expect(app.session.value.kind).toBe('out');
    expect(server.online(JULIET)).toEqual([]);
    expect(await (await Profile.open()).get('account')).toBeUndefined();
    await app.logIn('juliet', 'correct horse');
    expect(app.session.value.kind).toBe('in');
  });

  it('by the code of a sign-up, once', async () => {
    server.accounts.get('juliet')?.codes.add('once');
    const app = await start(browser.tab(), { address: JULIET, code: 'once' });
    expect(app.session.value.kind).toBe('in');
    await until(() => app.connection.value === 'online');
    expect(server.accounts.get('juliet')?.tokens.size).toBe(1);
    await app.logOut();
    const late = await start(browser.tab(), { address: JULIET, code: 'once' });
    expect(late.session.value).toEqual({ kind: 'out', reason: 'code-used', address: JULIET });
  });

  it('by a code does not take anybody out of their account', async () => {
    await signedIn();
    server.add('mallory').codes.add('trap');
    const app = await start(browser.tab(), { address: 'mallory@kith.example', code: 'trap' });
    expect(app.session.value).toMatchObject({ kind: 'in', address: JULIET });
  });

  it('by a code does not take the place of who was put out and has history here', async () => {
    const app = await signedIn();
    say(`<message from="${ROMEO}/a" to="${JULIET}" type="chat"><body>kept</body></message>`);
    await until(() => app.chats.value[0]?.preview === 'kept');
    server.accounts.get('juliet')?.tokens.clear();
    server.cut();
    await until(() => app.session.value.kind === 'out');
    server.add('mallory').codes.add('trap');
    const trapped = await start(browser.tab(), { address: 'mallory@kith.example', code: 'trap' });
    expect(trapped.session.value).toEqual({ kind: 'out', address: 'mallory@kith.example' });
    await trapped.logIn('juliet', 'correct horse');
    expect(trapped.chats.value[0]?.preview).toBe('kept');
  });

  it('ends when the token is refused, and keeps the history for the next', async () => {
    const app = await signedIn();
    say(`<message from="${ROMEO}/a" to="${JULIET}" type="chat"><body>kept</body></message>`);
    await until(() => app.chats.value[0]?.preview === 'kept');
    server.accounts.get('juliet')?.tokens.clear();
    server.cut();
    await until(() => app.session.value.kind === 'out');
    expect(app.session.value).toEqual({ kind: 'out', reason: 'signed-out', address: JULIET });
    await app.logIn(JULIET, 'correct horse');
    expect(app.chats.value[0]?.preview).toBe('kept');
  });

  it('ends by a password that was changed elsewhere, and says so', async () => {
    let dials = 0;
    browser = new FakeBrowser((url) => {
      dials++;
      return server.dial(url);
    });
    const app = await signedIn();
    server.accounts.get('juliet')?.tokens.clear();
    server.reachable = false; // for a while
    for (const c of server.connections) c.fail('reset');
    await until(() => dials === 2);
    server.reachable = true;
    app.reconnect();
    await until(() => app.session.value.kind === 'out');
    expect(app.session.value).toEqual({ kind: 'out', reason: 'password-changed', address: JULIET });
  });

  it('ends for an account that was switched off', async () => {
    const app = await signedIn();
    const account = server.accounts.get('juliet');
    if (account) account.disabled = true;
    server.cut();
    await until(() => app.session.value.kind === 'out');
    expect(out(app.session.value)).toBe('disabled');
  });

  it('ends with log-out, of which nothing is left', async () => {
    const app = await signedIn();
    expect(server.accounts.get('juliet')?.tokens.size).toBe(1);
    await app.logOut();
    expect(app.session.value).toEqual({ kind: 'out' });
    expect(app.chats.value).toEqual([]);
    expect(server.accounts.get('juliet')?.tokens.size).toBe(0);
    expect((await indexedDB.databases()).map((d) => d.name)).toEqual(['kith']);
  });

  it('survives a new password', async () => {
    const app = await signedIn();
    const now = server.accounts.get('juliet')?.password ?? '';
    await expect(app.changePassword(now, 'short')).rejects.toMatchObject({ reason: 'weak-password' });
    await expect(app.changePassword(now, 'my name is Juliet')).rejects.toMatchObject({ reason: 'weak-password' });
    await expect(app.changePassword('', 'a much better secret')).rejects.toMatchObject({ reason: 'current-password' });
    await expect(app.changePassword('not it', 'a much better secret')).rejects.toMatchObject({ reason: 'current-password' });
    server.tries.length = 0;
    await app.changePassword(now, 'a much better secret');
    await until(() => server.tries.length > 0 && app.connection.value === 'online');
    expect(server.tries).toEqual(['SCRAM-SHA-256']);
    expect(server.accounts.get('juliet')?.tokens.size).toBe(1);
    server.cut();
    await until(() => server.tries.at(-1) === 'HT-SHA-256-NONE' && app.connection.value === 'online');
  });
});

describe('sending', () => {
  it('goes from waiting to the server to the other side', async () => {
    const app = await signedIn();
    const t = await app.timeline(ROMEO);
    const states: (string | undefined)[] = [];
    t.messages.subscribe((list) => states.push(list.at(-1)?.state));
    await app.send(ROMEO, 'Hi');
    await until(() => t.messages.value.at(-1)?.state === 'acked');
    const [el] = sent('Hi');
    const id = attr(el ?? x('', ''), 'id');
    say(`<message from="${ROMEO}/a" to="${JULIET}" type="chat"><received xmlns="urn:xmpp:receipts" id="${id}"/></message>`);
    await until(() => t.messages.value.at(-1)?.state === 'delivered');
    expect([...new Set(states)]).toEqual([undefined, 'queued', 'sent', 'acked', 'delivered'].filter((s) => states.includes(s)));
    expect(states.at(-1)).toBe('delivered');
    expect(await messages(app)).toHaveLength(1);
  });

  it('believes a receipt only from the one who was written to', async () => {
    const app = await signedIn();
    await app.send(ROMEO, 'Hi');
    await until(() => sent('Hi').length === 1);
    say(`<message from="mallory@kith.example/a" to="${JULIET}"><received xmlns="urn:xmpp:receipts" id="${attr(sent('Hi')[0] ?? x('', ''), 'id')}"/></message>`);
    say(`<message from="${ROMEO}/a" to="${JULIET}" type="chat"><body>after</body></message>`);
    await until(() => app.chats.value[0]?.preview === 'after');
    expect(await stateOf(app, 'Hi')).toBe('acked');
  });

  it('without a network survives a reload, in order', async () => {
    const tab = browser.tab();
    const app = await signedIn(tab);
    server.reachable = false;
    server.cut();
    await until(() => app.connection.value !== 'online');
    for (const body of ['1', '2', '3']) await app.send(ROMEO, body);
    expect((await messages(app)).map((m) => m.state)).toEqual(['queued', 'queued', 'queued']);
    tab.crash();
    browser = new FakeBrowser(server.dial);
    server.reachable = true;
    const again = await start(browser.tab());
    await until(() => sent('3').length > 0);
    expect(server.received.filter((m) => m.name === 'message').map((m) => childText(m, C, 'body'))).toEqual(['1', '2', '3']);
    await vi.waitFor(async () => expect((await messages(again)).map((m) => m.state)).toEqual(['acked', 'acked', 'acked']));
  });

  it('repeats with the same id what the server had not acknowledged', async () => {
    const app = await signedIn();
    server.silent = true;
    await app.send(ROMEO, 'lost?');
    await vi.waitFor(async () => expect(await stateOf(app, 'lost?')).toBe('sent'));
    const [{ key } = { key: '' }] = await messages(app);
    server.silent = false;
    server.cut();
    await vi.waitFor(async () => expect(await stateOf(app, 'lost?')).toBe('acked'), { timeout: 3000 });
    expect(sent('lost?').map((m) => attr(m, 'id'))).toEqual([key]);
    expect(child(sent('lost?')[0] ?? x('', ''), 'urn:xmpp:sid:0', 'origin-id')).toBeDefined();
    expect(await messages(app)).toHaveLength(1);
  });

  it('says why it failed, and tries again when asked', async () => {
    const app = await signedIn();
    await app.send('nobody@kith.example', 'Anyone?');
    await vi.waitFor(async () => expect((await messages(app, 'nobody@kith.example'))[0]).toMatchObject({ state: 'failed', failure: 'no-such-person' }));
    server.add('nobody');
    const [{ key } = { key: '' }] = await messages(app, 'nobody@kith.example');
    await app.resend(key);
    await vi.waitFor(async () => expect((await messages(app, 'nobody@kith.example'))[0]?.state).toBe('acked'));
    expect((await messages(app, 'nobody@kith.example'))[0]).not.toHaveProperty('failure');
  });

  it('stays failed if the server acknowledges it only after it came back', async () => {
    const app = await signedIn();
    server.lagging = true;
    await app.send(ROMEO, 'Hm');
    await vi.waitFor(async () => expect(await stateOf(app, 'Hm')).toBe('sent'));
    const [{ key } = { key: '' }] = await messages(app);
    const error = `<error type="cancel"><forbidden xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error>`;
    say(`<message from="${ROMEO}" to="${JULIET}" type="error" id="${key}">${error}</message>`);
    await vi.waitFor(async () => expect(await stateOf(app, 'Hm')).toBe('failed'));
    server.lagging = false;
    await app.send(ROMEO, 'after');
    await vi.waitFor(async () => expect(await stateOf(app, 'after')).toBe('acked'));
    expect(await stateOf(app, 'Hm')).toBe('failed');
  });

  it('does not send what is too large for the server', async () => {
    const app = await signedIn();
    await app.send(ROMEO, 'x'.repeat(300_000));
    await vi.waitFor(async () => expect((await messages(app))[0]).toMatchObject({ state: 'failed', failure: 'too-large' }));
    await app.send(ROMEO, 'small');
    await vi.waitFor(async () => expect(await stateOf(app, 'small')).toBe('acked'));
  });

  it('can be taken back before it went out', async () => {
    const app = await signedIn();
    server.reachable = false;
    server.cut();
    await until(() => app.connection.value !== 'online');
    await app.send(ROMEO, 'never mind');
    await app.discard((await messages(app))[0]?.key ?? '');
    expect(await messages(app)).toEqual([]);
    server.reachable = true;
    app.reconnect();
    await until(() => app.connection.value === 'online');
    expect(sent('never mind')).toEqual([]);
  });
});

describe('receiving', () => {
  it('keeps a message once, confirms it, and counts it until somebody looks', async () => {
    const app = await signedIn();
    const hello = `<message from="${ROMEO}/a" to="${JULIET}" type="chat" id="m1"><body>Hello</body><origin-id xmlns="urn:xmpp:sid:0" id="m1"/><request xmlns="urn:xmpp:receipts"/></message>`;
    say(hello);
    say(hello);
    await until(() => server.received.filter((el) => child(el, 'urn:xmpp:receipts', 'received')).length === 2);
    expect((await messages(app)).map((m) => m.body)).toEqual(['Hello']);
    expect(app.unread.value).toBe(1);
    expect(app.chats.value[0]).toMatchObject({ address: ROMEO, name: 'romeo', preview: 'Hello', unread: 1 });
    const t = await app.timeline(ROMEO);
    expect(t.unreadFrom).toBe(t.messages.value[0]?.key);
    app.look(ROMEO);
    await until(() => app.unread.value === 0);
    say(`<message from="${ROMEO}/a" to="${JULIET}" type="chat"><body>seen at once</body></message>`);
    await until(() => t.messages.value.length === 2);
    expect(app.unread.value).toBe(0);
  });

  it('tells strangers nothing', async () => {
    const app = await signedIn();
    say(`<message from="mallory@other.example/a" to="${JULIET}" type="chat" id="m"><body>psst</body><request xmlns="urn:xmpp:receipts"/></message>`);
    await until(() => app.chats.value[0]?.preview === 'psst');
    expect(app.chats.value[0]?.name).toBe('mallory@other.example');
    expect(server.received.filter((el) => child(el, 'urn:xmpp:receipts', 'received'))).toEqual([]);
  });

  it('finds in order what came while away', async () => {
    server.now = () => Date.now() - 60_000;
    const tab = browser.tab();
    const app = await signedIn(tab);
    await app.send(ROMEO, 'see you');
    await until(() => sent('see you').length === 1);
    server.reachable = false;
    server.cut();
    await until(() => app.connection.value !== 'online');
    let n = 0;
    const base = Date.now() + 1000;
    server.now = () => base + n;
    for (n = 1; n <= 5; n++) say(`<message from="${ROMEO}/a" to="${JULIET}" type="chat"><body>${n}</body></message>`);
    server.reachable = true;
    browser.time = base + 100;
    app.reconnect();
    await vi.waitFor(async () => expect((await messages(app)).map((m) => m.body)).toEqual(['see you', '1', '2', '3', '4', '5']));
    expect((await messages(app))[1]?.time).toBe(base + 1);
  });

  it('says of a message for other devices that it cannot be read', async () => {
    const app = await signedIn();
    say(`<message from="${ROMEO}/a" to="${JULIET}" type="chat"><body>fallback</body><encrypted xmlns="eu.siacs.conversations.axolotl"><header/><payload>AA==</payload></encrypted></message>`);
    await until(() => app.chats.value.some((c) => c.last?.unreadable === 'encrypted'));
    expect(app.chats.value[0]).toMatchObject({ preview: '' });
  });

  it('notifies while nobody can see it', async () => {
    const tab = browser.tab();
    const app = await signedIn(tab);
    const hello = (body: string): void => say(`<message from="${ROMEO}/a" to="${JULIET}" type="chat"><body>${body}</body></message>`);
    hello('seen');
    await until(() => app.chats.value[0]?.preview === 'seen');
    expect(tab.notes).toEqual([]);
    tab.seen = false;
    app.look('');
    hello('unseen');
    await until(() => tab.notes.length > 0);
    expect(tab.notes).toMatchObject([{ chat: ROMEO, title: 'romeo', body: 'unseen' }]);
  });

  it('shows who is typing until the message is there', async () => {
    const app = await signedIn();
    say(`<message from="${ROMEO}/a" to="${JULIET}" type="chat"><body>one</body></message>`);
    await until(() => app.chats.value[0]?.preview === 'one');
    say(`<message from="${ROMEO}/a" to="${JULIET}" type="chat"><composing xmlns="http://jabber.org/protocol/chatstates"/></message>`);
    await until(() => app.chats.value[0]?.typing === true);
    say(`<message from="${ROMEO}/a" to="${JULIET}" type="chat"><body>two</body></message>`);
    await until(() => app.chats.value[0]?.typing === false && app.chats.value[0].preview === 'two');
  });

  it('tells friends who wrote lately that we type', async () => {
    const app = await signedIn();
    const states = (): string[] => server.received.flatMap((el) => el.children).flatMap((c) => (typeof c !== 'string' && c.ns.endsWith('/chatstates') ? [c.name] : []));
    app.typing(ROMEO, true);
    await new Promise((done) => setTimeout(done, 20));
    expect(states()).toEqual([]);
    say(`<message from="${ROMEO}/a" to="${JULIET}" type="chat"><body>one</body></message>`);
    await until(() => app.chats.value[0]?.preview === 'one');
    app.typing(ROMEO, true);
    app.typing(ROMEO, true);
    await until(() => states().length > 0);
    app.typing(ROMEO, false);
    await until(() => states().length === 2);
    expect(states()).toEqual(['composing', 'paused']);
    app.typing(ROMEO, true);
    await until(() => states().length === 3);
    app.typing(ROMEO, false);
    await app.send(ROMEO, 'there');
    await new Promise((done) => setTimeout(done, 500));
    expect(states()).toEqual(['composing', 'paused', 'composing', 'active']);
  });

  it('answers what others may ask', async () => {
    await signedIn();
    const [session] = server.online(JULIET);
    session?.deliver(x(C, 'iq', { type: 'get', id: 'q', from: `${ROMEO}/a` }, x('urn:xmpp:ping', 'ping')));
    await until(() => server.received.some((el) => attr(el, 'id') === 'q' && attr(el, 'type') === 'result'));
  });
});

describe('contacts', () => {
  it('come with their presence', async () => {
    const app = await signedIn();
    expect(app.contacts.value).toEqual([{ address: ROMEO, name: 'romeo', show: 'offline', status: '', mutual: true, asked: false }]);
    say(`<presence from="${ROMEO}/a" to="${JULIET}/x"/>`);
    for (const c of server.online(JULIET)) c.deliver(parse(`<presence xmlns="${C}" from="${ROMEO}/a"><show>away</show><status>lunch</status></presence>`));
    await until(() => app.contacts.value[0]?.show === 'away');
    expect(app.contacts.value[0]?.status).toBe('lunch');
    server.reachable = false;
    server.cut();
    await until(() => app.contacts.value[0]?.show === 'offline');
  });

  it('put the one who invited into the list of chats', async () => {
    const app = await signedIn();
    expect(app.chats.value).toMatchObject([{ address: ROMEO, preview: '', time: 0, unread: 0 }]);
  });

  it('are added, renamed and removed', async () => {
    server.add('benvolio');
    const app = await signedIn();
    await expect(app.addContact('not an address', '')).rejects.toMatchObject({ reason: 'bad-address' });
    await expect(app.addContact('juliet', '')).rejects.toMatchObject({ reason: 'own-address' });
    await app.addContact('Benvolio', 'Ben');
    await until(() => app.contacts.value.some((c) => c.name === 'Ben' && c.asked));
    expect(server.accounts.get('benvolio')?.pending).toEqual(new Set([JULIET]));
    await app.rename('benvolio@kith.example', 'Benny');
    await until(() => app.contacts.value.some((c) => c.name === 'Benny'));
    await app.remove('benvolio@kith.example');
    await until(() => app.contacts.value.length === 1);
  });

  it('ask, and are answered', async () => {
    server.add('benvolio');
    server.add('tybalt');
    const app = await signedIn();
    for (const who of ['benvolio', 'tybalt']) say(`<presence type="subscribe" from="${who}@kith.example" to="${JULIET}"><status>It is me</status></presence>`);
    await until(() => app.requests.value.length === 2);
    expect(app.requests.value[0]).toEqual({ address: 'benvolio@kith.example', note: 'It is me' });
    await app.answer('benvolio@kith.example', true);
    await app.answer('tybalt@kith.example', false);
    await until(() => app.requests.value.length === 0);
    await until(() => app.contacts.value.some((c) => c.address === 'benvolio@kith.example' && c.asked));
    expect(server.accounts.get('benvolio')?.roster.get(JULIET)?.subscription).toBe('to');
  });

  it('come from our own server only', async () => {
    const app = await signedIn();
    const [session] = server.online(JULIET);
    session?.deliver(parse(`<iq xmlns="${C}" type="set" id="evil" from="mallory@kith.example"><query xmlns="jabber:iq:roster"><item jid="mallory@kith.example" subscription="both"/></query></iq>`));
    await until(() => server.received.some((el) => attr(el, 'id') === 'evil'));
    expect(app.contacts.value).toHaveLength(1);
  });

  it('are asked by their invitation, and may ask back', async () => {
    server.add('benvolio');
    const app = await signedIn();
    await app.addContact('benvolio@kith.example', '', 'TOKEN');
    const sent = (): string[] => server.received.filter((el) => el.name === 'presence' && attr(el, 'to') === 'benvolio@kith.example').map((el) => serialize(el));
    await until(() => sent().length === 2);
    expect(sent()[0]).toContain('type="subscribed"');
    expect(sent()[1]).toMatch(/type="subscribe".*<preauth xmlns="urn:xmpp:pars:0" token="TOKEN"\/>/u);
  });

  it('are invited by a link', async () => {
    const app = await signedIn();
    expect(await app.invite()).toEqual({ url: 'https://kith.example/invite/TOKEN', qr: '/invite/TOKEN/qr.svg', expires: Date.parse('2030-01-02T03:04:05Z') });
  });

  it('need a connection', async () => {
    const app = await signedIn();
    server.reachable = false;
    server.cut();
    await until(() => app.connection.value !== 'online');
    await expect(app.addContact('benvolio', '')).rejects.toMatchObject({ reason: 'offline' });
  });
});

describe('tabs', () => {
  it('share one connection and see the same', async () => {
    const one = await signedIn();
    const two = await start(browser.tab());
    expect(two.session.value.kind).toBe('in');
    await until(() => two.connection.value === 'online');
    expect(server.connections.size).toBe(1);
    const t = await one.timeline(ROMEO);
    await two.send(ROMEO, 'from the other tab');
    await until(() => t.messages.value.at(-1)?.state === 'acked');
    await until(() => two.chats.value[0]?.last?.state === 'acked');
    expect((await two.invite()).url).toContain('/invite/');
    await expect(two.addContact('juliet', '')).rejects.toMatchObject({ reason: 'own-address' });
  });

  it('know what the others look at', async () => {
    const one = browser.tab();
    const two = browser.tab();
    const leader = await signedIn(one);
    const follower = await start(two);
    follower.look(ROMEO);
    one.seen = false;
    leader.look('');
    await new Promise((done) => setTimeout(done, 20));
    say(`<message from="${ROMEO}/a" to="${JULIET}" type="chat"><body>Hi</body></message>`);
    await until(() => follower.chats.value[0]?.preview === 'Hi');
    expect([leader.unread.value, one.notes]).toEqual([0, []]);
  });

  it('sign in and out together', async () => {
    const two = await start(browser.tab());
    expect(two.session.value.kind).toBe('out');
    const one = await signedIn();
    await until(() => two.session.value.kind === 'in');
    await two.logOut();
    await until(() => one.session.value.kind === 'out' && two.session.value.kind === 'out');
    expect((await indexedDB.databases()).map((d) => d.name)).toEqual(['kith']);
  });
});

describe('coming back', () => {
  it('is quick each time, where the connections were good ones', async () => {
    const app = await signedIn();
    const waits = vi.spyOn(globalThis, 'setTimeout');
    for (let i = 1; i <= 3; i++) {
      browser.time = Date.now() + i * 60_000;
      server.cut();
      await until(() => app.connection.value !== 'online');
      await until(() => app.connection.value === 'online');
    }
    expect(waits.mock.calls.map(([, ms]) => ms).filter((ms) => ms === 500 || ms === 1000 || ms === 2000)).toEqual([500, 500, 500]);
  });
});

describe('waking up', () => {
  it('finds a dead connection and makes a new one', async () => {
    const tab = browser.tab();
    const app = await signedIn(tab);
    server.silent = true;
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
    tab.wake();
    await vi.advanceTimersByTimeAsync(5_000);
    server.silent = false;
    await vi.advanceTimersByTimeAsync(1_000);
    vi.useRealTimers();
    await until(() => app.connection.value === 'online');
    expect(server.tries.at(-1)).toBe('HT-SHA-256-NONE');
  });
});
