// SPDX-License-Identifier: Apache-2.0

import { IDBFactory } from 'fake-indexeddb';
import 'fake-indexeddb/auto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Profile } from '../store/profile';
import { FakeServer } from '../stream/testing/server';
import { Services } from '../stream/testing/services';
import { attr, child, childText, children, type Element, x } from '../xml/element';
import * as avatar from '../xmpp/avatar';
import { nick } from '../xmpp/nick';
import { KithApp } from './app';
import { FakeBrowser, type FakeTab } from './testing/env';
import type { Message } from './view';

const C = 'jabber:client';
const ROMEO = 'romeo@kith.example';
const JULIET = 'juliet@kith.example';
const PIXEL = Uint8Array.from([137, 80, 78, 71, 1, 2, 3]);
const NICK = 'http://jabber.org/protocol/nick';

let server: FakeServer;
let services: Services;
let browser: FakeBrowser;
const apps: KithApp[] = [];

beforeEach(() => {
  vi.spyOn(Math, 'random').mockReturnValue(0); // the shortest waits
  globalThis.indexedDB = new IDBFactory();
  server = new FakeServer();
  services = new Services(server);
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

async function signedIn(tab: FakeTab = browser.tab()): Promise<KithApp> {
  const app = new KithApp(tab, await Profile.open());
  apps.push(app);
  await app.start();
  if (app.session.value.kind !== 'in') await app.logIn('juliet', 'correct horse');
  await until(() => app.connection.value === 'online' && app.fileLimit.value !== undefined);
  await until(() => server.online(JULIET).length > 0);
  return app;
}

async function until(is: () => boolean): Promise<void> {
  await vi.waitFor(() => {
    if (!is()) throw new Error(`waited in vain for ${is.toString()}`);
  }, { timeout: 3000, interval: 5 });
}

async function messages(app: KithApp, chat = ROMEO): Promise<readonly Message[]> {
  const t = await app.timeline(chat);
  t.close();
  return t.messages.value;
}

const hex = async (b: Uint8Array<ArrayBuffer>): Promise<string> =>
  [...new Uint8Array(await crypto.subtle.digest('SHA-1', b))].map((n) => n.toString(16).padStart(2, '0')).join('');
const base64 = (b: Uint8Array): string => btoa(String.fromCharCode(...b));
const bodies = (): (string | undefined)[] => server.received.filter((el) => el.name === 'message').map((m) => childText(m, C, 'body')).filter((b) => b !== undefined);

describe('people', () => {
  it('are shown with the picture and the name they chose, fetched once', async () => {
    const app = await signedIn();
    const id = await hex(PIXEL);
    const info = { id, type: 'image/png', bytes: PIXEL.length, width: 1, height: 1 };
    services.publish(ROMEO, avatar.NODE_DATA, id, avatar.data(base64(PIXEL)));
    services.notify(JULIET, ROMEO, avatar.NODE_METADATA, id, avatar.metadata(info));
    services.notify(JULIET, ROMEO, NICK, 'current', nick('  Romeo\u202E of\nVerona '));
    await until(() => app.avatars.value.has(ROMEO));
    await until(() => app.contacts.value[0]?.name === 'Romeo of Verona');
    expect(app.avatars.value.get(ROMEO)).toMatch(/^blob:/);
    services.notify(JULIET, ROMEO, avatar.NODE_METADATA, id, avatar.metadata(info));
    services.notify(JULIET, ROMEO, NICK, 'current', nick('R.'));
    await until(() => app.contacts.value[0]?.name === 'R.');
    expect(services.asked).toEqual([`${ROMEO} ${avatar.NODE_DATA} ${id}`]);
    services.notify(JULIET, ROMEO, avatar.NODE_METADATA, id, avatar.metadata(undefined));
    await until(() => !app.avatars.value.has(ROMEO));
  });

  it('keep their name when they are called by another', async () => {
    const app = await signedIn();
    services.notify(JULIET, ROMEO, NICK, 'current', nick('R.'));
    await until(() => app.contacts.value[0]?.name === 'R.');
    await app.rename(ROMEO, 'My love');
    await until(() => app.contacts.value[0]?.name === 'My love');
  });

  it('get no picture that is not the one they announced', async () => {
    const app = await signedIn();
    const id = await hex(PIXEL);
    services.publish(ROMEO, avatar.NODE_DATA, id, avatar.data(base64(Uint8Array.from([1, 2, 3]))));
    services.notify(JULIET, ROMEO, avatar.NODE_METADATA, id, avatar.metadata({ id, type: 'image/png', bytes: 3, width: 1, height: 1 }));
    await until(() => services.asked.length === 1);
    services.notify(JULIET, ROMEO, NICK, 'current', nick('after'));
    await until(() => app.contacts.value[0]?.name === 'after');
    expect(app.avatars.value.has(ROMEO)).toBe(false);
  });
});

describe('oneself', () => {
  it('has a name and a picture that others hear of', async () => {
    const app = await signedIn();
    await app.setName(' Juliet\n');
    await until(() => app.ownName.value === 'Juliet');
    await app.setAvatar({ blob: new Blob([PIXEL], { type: 'image/png' }), width: 1, height: 1 });
    await until(() => app.avatars.value.has(JULIET));
    const id = await hex(PIXEL);
    expect(avatar.readData(services.nodes.get(`${JULIET} ${avatar.NODE_DATA}`)?.get(id))).toBe(base64(PIXEL));
    expect(avatar.readMetadata(services.nodes.get(`${JULIET} ${avatar.NODE_METADATA}`)?.get(id))).toEqual({ id, type: 'image/png', bytes: 7, width: 1, height: 1 });
    await app.setAvatar(undefined);
    await until(() => !app.avatars.value.has(JULIET));
  });

  it('sees on a new device what was chosen on another', async () => {
    const id = await hex(PIXEL);
    services.publish(JULIET, NICK, 'current', nick('Juliet'));
    services.publish(JULIET, avatar.NODE_DATA, id, avatar.data(base64(PIXEL)));
    services.publish(JULIET, avatar.NODE_METADATA, id, avatar.metadata({ id, type: 'image/png', bytes: 7, width: 1, height: 1 }));
    const app = await signedIn();
    await until(() => app.ownName.value === 'Juliet' && app.avatars.value.has(JULIET));
  });
});

describe('blocking', () => {
  it('is known on all devices', async () => {
    services.blocked.add('iago@kith.example');
    const app = await signedIn();
    await until(() => app.blocked.value.has('iago@kith.example'));
    await app.block(ROMEO, '');
    await until(() => [...app.blocked.value].sort().join() === `iago@kith.example,${ROMEO}`);
    services.pushBlock(JULIET, 'block', 'paris@kith.example');
    await until(() => app.blocked.value.has('paris@kith.example'));
    services.pushBlock(JULIET, 'unblock', 'iago@kith.example');
    await until(() => !app.blocked.value.has('iago@kith.example'));
    await app.unblock(ROMEO);
    await until(() => [...app.blocked.value].join() === 'paris@kith.example');
    services.pushBlock(JULIET, 'unblock');
    await until(() => app.blocked.value.size === 0);
    const answers = server.received.filter((el) => el.name === 'iq' && attr(el, 'type') === 'result');
    expect(answers.length).toBeGreaterThanOrEqual(3);
  });

  it('believes nobody else', async () => {
    const app = await signedIn();
    for (const c of server.online(JULIET)) {
      c.deliver(x(C, 'iq', { type: 'set', id: 'x', from: ROMEO, to: c.jid }, x('urn:xmpp:blocking', 'block', {}, x('urn:xmpp:blocking', 'item', { jid: 'paris@kith.example' }))));
    }
    await until(() => server.received.some((el) => attr(el, 'id') === 'x' && attr(el, 'type') === 'error'));
    expect(app.blocked.value.size).toBe(0);
  });

  it('reports with the messages that show why', async () => {
    const app = await signedIn();
    for (let i = 0; i < 7; i++) {
      const body = x(C, 'body', {}, `spam ${i}`);
      server.route(x(C, 'message', { type: 'chat', from: 'iago@kith.example/x', to: JULIET }, body, x('urn:xmpp:sid:0', 'stanza-id', { by: JULIET, id: `s${i}` })));
    }
    await until(() => app.chats.value[0]?.preview === 'spam 6');
    await app.block('iago@kith.example', 'spam');
    const [report] = services.reports;
    expect(attr(report ?? x('', ''), 'reason')).toBe('urn:xmpp:reporting:spam');
    expect(children(report ?? x('', ''), 'urn:xmpp:sid:0', 'stanza-id').map((s) => [attr(s, 'by'), attr(s, 'id')])).toEqual(['s2', 's3', 's4', 's5', 's6'].map((id) => [JULIET, id]));
  });
});

describe('devices', () => {
  it('are listed, this one first, and signed out', async () => {
    services.clients = [{ id: 'a', device: 'Phone' }, { id: 'b', device: 'Desk', here: true }, { id: 'c', device: 'Old', password: true }];
    const app = await signedIn();
    const list = await app.devices();
    expect(list.map((d) => [d.device, d.here, d.password])).toEqual([['Desk', true, false], ['Phone', false, false], ['Old', false, true]]);
    await app.signOut(['a']);
    expect((await app.devices()).map((d) => d.device)).toEqual(['Desk', 'Old']);
    await app.signOut(['a']); // gone already
    await expect(app.signOut(['c', 'a'])).rejects.toMatchObject({ reason: 'password-needed' });
  });
});

describe('files', () => {
  const picture = (text = 'a picture'): Blob => new Blob([text], { type: 'image/jpeg' });
  const file = (blob = picture()) => ({ blob, name: 'très cool.jpg', width: 40, height: 30 });

  it('go to the server, and then to the other', async () => {
    const tab = browser.tab();
    const app = await signedIn(tab);
    await app.sendFile(ROMEO, file(), 'Look!');
    await vi.waitFor(async () => expect((await messages(app)).map((m) => m.state)).toEqual(['acked', 'acked']));
    expect(app.fileLimit.value).toBe(1000);
    const url = 'https://upload.kith.example/1/tr%C3%A8s%20cool.jpg';
    expect(tab.uploaded.map((u) => [u.url, u.headers])).toEqual([[url, [['Authorization', 'Bearer x']]]]);
    expect(await tab.uploaded[0]?.file.text()).toBe('a picture');
    expect(bodies()).toEqual([url, 'Look!']);
    const el = server.received.find((m) => childText(m, C, 'body') === url) as Element;
    expect(childText(child(el, 'jabber:x:oob', 'x') ?? x('', ''), 'jabber:x:oob', 'url')).toBe(url);
    expect((await messages(app))[0]?.file).toEqual({ url, name: 'très cool.jpg', type: 'image/jpeg', size: 9, width: 40, height: 30, kind: 'picture' });
    expect(app.uploads.value).toEqual({});
    // What comes in is read the same.
    server.route({ ...el, attrs: { type: 'chat', from: `${ROMEO}/x`, to: JULIET, id: 'other-file-0123456789' }, children: el.children.filter((c) => typeof c !== 'string' && c.name !== 'origin-id') });
    await until(() => app.chats.value[0]?.last?.mine === false);
    expect(app.chats.value[0]?.last?.file).toEqual({ url, name: 'très cool.jpg', type: 'image/jpeg', size: 9, width: 40, height: 30, kind: 'picture' });
  });

  it('do not hold up what is written after them', async () => {
    const tab = browser.tab();
    const app = await signedIn(tab);
    let finish: (status: number) => void = () => {};
    tab.answers.push(new Promise((done) => (finish = done)));
    await app.sendFile(ROMEO, file(), 'its caption');
    await app.send(ROMEO, 'meanwhile');
    await until(() => bodies().includes('meanwhile'));
    expect(bodies()).toEqual(['meanwhile']);
    await until(() => Object.values(app.uploads.value)[0] === 0.5);
    finish(201);
    await until(() => bodies().length === 3);
    expect(bodies()[2]).toBe('its caption');
  });

  it('wait for a connection, and survive a reload', async () => {
    const tab = browser.tab();
    const app = await signedIn(tab);
    server.reachable = false;
    server.cut();
    await until(() => app.connection.value !== 'online');
    await app.sendFile(ROMEO, file(), '');
    const [m] = await messages(app);
    expect(m?.state).toBe('queued');
    expect(await (await app.localFile(m?.key ?? ''))?.text()).toBe('a picture');
    tab.crash();
    browser = new FakeBrowser(server.dial);
    server.reachable = true;
    const again = await signedIn(browser.tab());
    await vi.waitFor(async () => expect((await messages(again)).map((n) => n.state)).toEqual(['acked']));
    expect(await again.localFile(m?.key ?? '')).toBeUndefined();
  });

  it('are not sent where they are too large, or too many', async () => {
    const tab = browser.tab();
    const app = await signedIn(tab);
    await app.sendFile(ROMEO, file(picture('x'.repeat(1001))), 'a caption');
    await vi.waitFor(async () => expect((await messages(app))[0]).toMatchObject({ state: 'failed', failure: 'file-too-large' }));
    services.refuse = x('urn:xmpp:http:upload:0', 'retry', { stamp: '2030-01-02T03:04:05Z' });
    await app.sendFile('other@kith.example', file(), '');
    await vi.waitFor(async () => expect((await messages(app, 'other@kith.example'))[0]).toMatchObject({ state: 'failed', failure: 'quota', retryAt: Date.parse('2030-01-02T03:04:05Z') }));
    expect(tab.uploaded).toEqual([]);
    server.add('other');
    await app.resend((await messages(app, 'other@kith.example'))[0]?.key ?? '');
    await vi.waitFor(async () => expect((await messages(app, 'other@kith.example'))[0]?.state).toBe('acked'));
    expect((await messages(app, 'other@kith.example'))[0]).not.toHaveProperty('retryAt');
  });

  it('say so where the web server refuses them', async () => {
    const tab = browser.tab();
    tab.answers.push(413);
    const app = await signedIn(tab);
    await app.sendFile(ROMEO, file(), '');
    await vi.waitFor(async () => expect((await messages(app))[0]).toMatchObject({ state: 'failed', failure: 'file-too-large' }));
  });

  it('can be taken back while they are under way', async () => {
    const tab = browser.tab();
    const app = await signedIn(tab);
    let finish: (status: number) => void = () => {};
    tab.answers.push(new Promise((done) => (finish = done)));
    await app.sendFile(ROMEO, file(), '');
    await until(() => tab.uploaded.length === 1);
    await app.discard((await messages(app))[0]?.key ?? '');
    finish(201);
    await app.send(ROMEO, 'after');
    await until(() => bodies().includes('after'));
    expect(bodies()).toEqual(['after']);
    expect((await messages(app)).map((m) => m.body)).toEqual(['after']);
  });

  it('are not offered by a server without a place for them', async () => {
    const app = await signedIn();
    services.maxSize = 0;
    server.cut();
    await until(() => app.fileLimit.value === undefined);
  });
});

describe('pushes', () => {
  it('are turned on and off, and tested', async () => {
    const tab = browser.tab();
    const app = await signedIn(tab);
    expect(app.push.value).toBe('off');
    await app.enableNotifications();
    await until(() => app.push.value === 'on');
    expect([...services.registered]).toEqual([tab.endpoint?.endpoint]);
    expect(tab.endpoint?.key).toBe('SERVERKEY');
    expect(await app.testPush()).toBe('');
    services.clients = [{ id: 'c1', device: 'Firefox, Linux' }];
    expect(await app.pushDevices()).toMatchObject([{ here: true, name: 'Firefox, Linux', service: 'push.example', failed: 0 }]);
    await app.disableNotifications();
    await until(() => app.push.value === 'off' && app.silenced.value);
    expect(tab.endpoint).toBeUndefined();
    expect(services.registered.size).toBe(0);
  });

  it('are registered again at each start, when the browser moves, and for another key', async () => {
    const tab = browser.tab();
    const app = await signedIn(tab);
    await app.enableNotifications();
    services.registered.clear();
    server.cut();
    await until(() => services.registered.size === 1);
    tab.move();
    await until(() => tab.endpoint !== undefined && services.registered.has(tab.endpoint.endpoint));
    const before = tab.endpoint?.endpoint;
    services.key = 'OTHER';
    server.cut();
    await until(() => tab.endpoint?.key === 'OTHER' && services.registered.has(tab.endpoint.endpoint));
    expect(tab.endpoint?.endpoint).not.toBe(before);
  });

  it('whose browser is forgotten by its push service begin anew', async () => {
    const tab = browser.tab();
    const app = await signedIn(tab);
    await app.enableNotifications();
    const before = tab.endpoint?.endpoint;
    services.testFails = 'gone';
    expect(await app.testPush()).toBe('gone');
    expect(tab.endpoint?.endpoint).not.toBe(before);
    expect(services.registered.has(tab.endpoint?.endpoint ?? '')).toBe(true);
  });

  it('say why there are none', async () => {
    services.key = '';
    const tab = browser.tab();
    const app = await signedIn(tab);
    await expect(app.enableNotifications()).rejects.toMatchObject({ reason: 'no-push' });
    services.key = 'SERVERKEY';
    tab.push.subscribe = async () => Promise.reject(new Error('no network'));
    await expect(app.enableNotifications()).rejects.toMatchObject({ reason: 'push' });
    expect(app.push.value).toBe('off');
  });

  it('end when the person signs out', async () => {
    const tab = browser.tab();
    const app = await signedIn(tab);
    await app.enableNotifications();
    await app.logOut();
    expect(services.registered.size).toBe(0);
    expect(tab.endpoint).toBeUndefined();
  });

  it('turned off, the app says nothing while it is open either', async () => {
    const tab = browser.tab();
    tab.seen = false;
    const app = await signedIn(tab);
    const say = (body: string): void => server.route(x(C, 'message', { type: 'chat', from: `${ROMEO}/a`, to: JULIET }, x(C, 'body', {}, body)));
    say('1');
    await until(() => tab.notes.length === 1);
    await app.disableNotifications();
    say('2');
    await until(() => app.chats.value[0]?.preview === '2');
    expect(tab.notes.map((n) => n.body)).toEqual(['1']);
  });
});
