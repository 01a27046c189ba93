// SPDX-License-Identifier: Apache-2.0

// Invitations that lead nowhere, ways into the app that differ from the usual one, and several tabs.
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { composer, invite, logIn, openChat, reaches, say, shows, signUp } from './app';
import { launch, Person } from './browser';
import { Kith } from './kith';
import { RawClient } from './raw';

const ADA = 'difference engine no 2';
const BOB = 'a password of his own';

let kith: Kith;
let browser: Browser;
let ada: Person;

beforeAll(async () => {
  kith = await Kith.started();
  browser = await launch();
  ada = await Person.come(browser, kith.url);
});

afterAll(async () => {
  await browser.close();
  await kith.remove();
});

async function visit(work: (p: Person) => Promise<void>, options: { scripts?: boolean } = {}): Promise<void> {
  const p = await Person.come(browser, kith.url, options);
  await work(p);
  p.content();
  await p.leave();
}

test('an admin comes by the link of a command', async () => {
  await ada.go(await kith.command('invite', 'create', '--admin'));
  await ada.link('Create your account').click();
  await signUp(ada, 'ada', ADA);
  ada.content();
});

test('a link that was used says so, and leads to the log-in', async () => {
  const once = await kith.command('invite', 'create');
  await visit(async (p) => {
    await p.go(once);
    await p.link('Create your account').click();
    await signUp(p, 'bob', BOB);
  });
  await visit(async (p) => {
    p.provoke(/status of 410/);
    await p.go(once);
    await p.page.getByRole('heading', { name: 'This invitation has been used' }).waitFor();
    await p.inspect('invitation-used');
    expect((await p.page.goto(`${once}/register`))?.status()).toBe(410);
    p.provoke();
    await p.link('Log in').click();
    await p.field('Your address').waitFor();
  });
});

test('a link that has ended, was taken back or never was says so', async () => {
  const short = await kith.command('invite', 'create', '--expires-after=1s');
  const revoked = await kith.command('invite', 'create', '--note=taken back');
  const id = /^\S+/.exec((await kith.command('invite', 'list')).split('\n').find((l) => l.includes('taken back')) ?? '')?.[0] ?? '';
  await kith.command('invite', 'revoke', id);
  await visit(async (p) => {
    p.provoke(/status of 4(04|10)/);
    await p.go(revoked);
    await p.page.getByRole('heading', { name: 'This invitation was taken back' }).waitFor();
    await p.go('/invite/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA');
    await p.page.getByRole('heading', { name: 'We do not know this invitation' }).waitFor();
    await p.inspect('invitation-unknown');
    await expect.poll(async () => (await p.page.goto(short))?.status()).toBe(410);
    await p.page.getByRole('heading', { name: 'This invitation has ended' }).waitFor();
    await p.inspect('invitation-ended');
  });
});

test('a name that is taken gets a sentence and other names', async () => {
  const open = await kith.command('invite', 'create');
  await visit(async (p) => {
    await p.go(`${open}/register`);
    await p.field('Your name').fill('ada');
    await p.text('Somebody has this name already.').waitFor();
    await p.page.locator('#name-names').getByRole('button').first().click();
    await p.text(/is free\.$/).waitFor();
    await p.inspect('sign-up-taken');
  });
});

test('the sign-up works without scripts', async () => {
  const open = await kith.command('invite', 'create');
  await visit(async (p) => {
    await p.go(open);
    await p.link('Create your account').click();
    await p.field('Your name').fill('lynx');
    await p.field('Password').fill('text is enough for me');
    await p.field('Password, once more').fill('text is enough for me');
    await p.button('Create account').click();
    await p.page.getByRole('heading', { name: 'Welcome, lynx!' }).waitFor();
    await p.text('lynx@localhost').waitFor();
    await p.picture('signed-up');
  }, { scripts: false });
});

test('who has an account already is asked after the log-in, and the other need not answer', async () => {
  const link = await invite(ada);
  const bob = await Person.come(browser, kith.url);
  await bob.go(link);
  await bob.link('I already have an account').click();
  await logIn(bob, 'bob', BOB);
  await bob.dialog.getByRole('heading', { name: 'Add ada?' }).waitFor();
  await bob.inspect('propose');
  await bob.dialog.getByRole('button', { name: 'Add', exact: true }).click();
  await composer(bob).waitFor();
  expect(new URL(bob.page.url()).pathname).toBe('/c/ada@localhost');
  expect(new URL(bob.page.url()).hash).toBe('');
  await bob.text('Online').waitFor();
  await ada.go('/c/bob%40localhost');
  await composer(ada).waitFor();
  await ada.text('Online').waitFor();
  await say(bob, 'Thank you!');
  await shows(ada, 'Thank you!');
  await bob.go(`/#contact=ada%40localhost`); // once more, for nothing
  await composer(bob).waitFor();
  expect(await bob.dialog.count()).toBe(0);
  ada.content();
  bob.content();
  await bob.leave();
});

test('who knows only the address asks, and the other has to agree', async () => {
  const lynx = await Person.come(browser, kith.url);
  await lynx.go('/#contact=ada%40localhost');
  await logIn(lynx, 'lynx', 'text is enough for me');
  await lynx.dialog.getByRole('button', { name: 'Add', exact: true }).click();
  await composer(lynx).waitFor();
  await ada.go('/');
  await ada.text('lynx would like to write with you.').waitFor();
  await ada.inspect('request');
  await ada.button('Accept lynx').click();
  await composer(ada).waitFor();
  await ada.text('Online').waitFor();
  await lynx.text('Online').waitFor();
  ada.content();
  lynx.content();
  await lynx.leave();
});

test('two tabs are one app, and the second goes on when the first is closed', async () => {
  const bob = await Person.come(browser, kith.url);
  await bob.go('/');
  await logIn(bob, 'bob', BOB);
  await openChat(bob, 'ada');
  const first = bob.page;
  await bob.open('/c/ada@localhost');
  await say(bob, 'from the second tab');
  await reaches(bob, 'from the second tab', 'Delivered');
  await first.locator('.timeline').getByText('from the second tab').waitFor();
  await first.close();
  await ada.go('/c/bob%40localhost');
  await say(ada, 'to whoever is there');
  await bob.page.locator('.timeline').getByText('to whoever is there').waitFor();
  await reaches(ada, 'to whoever is there', 'Delivered');
  bob.content();
  await bob.leave();
});

test('a notification of an unreadable message has words', async () => {
  const bob = await Person.come(browser, kith.url);
  await bob.go('/');
  await logIn(bob, 'bob', BOB);
  await openChat(bob, 'ada');
  // Noted down where they are shown: Chromium forgets one for good if it is asked for the list at that very moment.
  const shown: string[] = [];
  await bob.page.exposeFunction('noteDown', (note: string) => void shown.push(note));
  await bob.page.evaluate(async () => {
    await navigator.serviceWorker.ready;
    const show = ServiceWorkerRegistration.prototype.showNotification;
    ServiceWorkerRegistration.prototype.showNotification = async function (title, options) {
      await show.call(this, title, options);
      const noteDown: unknown = Reflect.get(globalThis, 'noteDown');
      if (typeof noteDown === 'function') noteDown(`${title}: ${options?.body}`);
    };
    Object.defineProperty(document, 'visibilityState', { get: () => 'hidden' });
    document.dispatchEvent(new Event('visibilitychange'));
  });
  await say(ada, 'can you see me?');
  await expect.poll(() => shown.at(-1)).toBe('ada: can you see me?');
  const other = await RawClient.logIn(kith.tls, 'ada', ADA);
  other.send('<message type="chat" to="bob@localhost" id="e1"><body>OMEMO</body><encryption xmlns="urn:xmpp:eme:0" namespace="eu.siacs.conversations.axolotl"/></message>');
  await expect.poll(() => shown.at(-1)).toBe('ada: An encrypted message, which cannot be read on this device');
  other.close();
  bob.content();
  await bob.leave();
});

test('a log-in can be given up, and does not come in later', async () => {
  await visit(async (p) => {
    await p.go('/');
    await p.field('Your address').waitFor();
    let hold = (): void => {};
    await p.page.routeWebSocket(/xmpp-websocket/, (ws) => {
      const server = ws.connectToServer();
      const held: (string | Buffer)[] = [];
      let open = false;
      hold = () => {
        open = true;
        for (const m of held) ws.send(m);
      };
      server.onMessage((m) => (open ? ws.send(m) : void held.push(m)));
    });
    p.provoke(/WebSocket is closed before/); // it may not even have been open
    await logIn(p, 'bob', BOB);
    await p.button('Cancel').click();
    await p.button('Log in').waitFor();
    hold();
    await p.page.reload();
    await p.button('Log in').waitFor();
    expect(await p.page.evaluate(async () => (await indexedDB.databases()).map((d) => d.name))).toEqual(['kith']);
  });
});

test('a browser that keeps nothing gets a sentence', async () => {
  const p = await Person.come(browser, kith.url);
  p.provoke(/indexedDB|undefined/);
  await p.context.addInitScript(() => Object.defineProperty(globalThis, 'indexedDB', { value: undefined }));
  await p.go('/');
  await p.text(/Kith cannot keep anything in this browser\./).waitFor();
  await p.inspect('no-storage');
  p.content();
  await p.leave();
});
