// SPDX-License-Identifier: Apache-2.0

// Somebody who has closed the app hears of a message: from the server through a push service into the service worker,
// which shows it.
import type { Browser, CDPSession } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { composer, invite, logIn, say, signUp } from './app';
import { launch, Person } from './browser';
import { Kith } from './kith';
import { PushService } from './pushservice';

const ADA = 'difference engine no 2';
const BOB = 'a password of his own';

let kith: Kith;
let browser: Browser;
let service: PushService;
let ada: Person;
let bob: Person;
let debug: CDPSession;
let worker = ''; // the registration of his service worker

beforeAll(async () => {
  kith = await Kith.started({ KITH_PUSH_ALLOW_LOCAL: 'true' });
  browser = await launch();
  service = await PushService.started();
  ada = await Person.come(browser, kith.url);
  bob = await Person.settle(kith.url, async (context) => {
    await service.serve(context);
    // On a page that stays when the app is closed.
    debug = await context.newCDPSession(await context.newPage());
    debug.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => {
      worker = registrations.find((r) => r.scopeURL.startsWith(kith.url))?.registrationId ?? worker;
    });
    await debug.send('ServiceWorker.enable');
  });
  await ada.go(await kith.command('invite', 'create', '--admin'));
  await ada.link('Create your account').click();
  await signUp(ada, 'ada', ADA);
  await bob.go(await invite(ada));
  await bob.link('Create your account').click();
  await signUp(bob, 'bob', BOB);
});

afterAll(async () => {
  await bob?.leave();
  await browser.close();
  service.stop();
  await kith.remove();
});

/** Gives the browser what the push service got, as that would. */
async function deliver(text: string): Promise<void> {
  await debug.send('ServiceWorker.deliverPushMessage', { origin: kith.url, registrationId: worker, data: text });
}

interface Shown {
  readonly title: string;
  readonly body: string;
  readonly tag: string;
  readonly stays: boolean;
}

/** The notifications of the service worker, asked for from a page of the server that is not the app. */
async function shown(): Promise<Shown[]> {
  const page = await bob.context.newPage();
  await page.goto(`${kith.url}/app.json`);
  const notes = await page.evaluate(async () => {
    const r = await navigator.serviceWorker.getRegistration('/');
    return ((await r?.getNotifications()) ?? []).map((n) => ({ title: n.title, body: n.body, tag: n.tag, stays: n.requireInteraction }));
  });
  await page.close();
  return notes;
}

test('notifications are turned on from a tap, and tested', async () => {
  await bob.go('/settings/notifications');
  await bob.inspect('notifications-off');
  await bob.page.evaluate(async () => void (await navigator.serviceWorker.ready));
  // The browser has allowed them beforehand; what is left is to have the server push.
  await bob.button(/^(?:Turn on|Also when closed)$/).click();
  await bob.text('On. You are told of new messages, even when Kith is closed.').waitFor();
  await bob.button('Send a test').click();
  const push = await service.next();
  expect(push.text).toContain('kind="test"');
  expect(push.urgency).toBe('high');
  await bob.page.locator('.item .good', { hasText: 'Sent.' }).waitFor();
  await expect.poll(() => worker).not.toBe('');
  await deliver(push.text);
  await expect.poll(shown).toContainEqual({ title: 'Notifications work', body: 'This is the test you asked for.', tag: 'test', stays: false });
  await bob.inspect('notifications-on');
  bob.content();
});

test('a message to somebody who has closed the app comes as a push, and is shown', async () => {
  await bob.page.close();
  await ada.go('/c/bob@localhost');
  await composer(ada).waitFor();
  await say(ada, 'Are you there?');
  const push = await service.next();
  expect(push).toMatchObject({ urgency: 'high', ttl: 3 * 86_400 });
  expect(push.topic).toMatch(/^[\w-]{1,32}$/); // RFC 8030 §5.4
  expect(push.text).toContain('Are you there?');
  await deliver(push.text);
  await expect.poll(shown).toContainEqual({ title: 'ada', body: 'Are you there?', tag: 'chat:ada@localhost', stays: false });
  await say(ada, 'Hello?');
  const second = await service.next();
  expect(second.topic).toBe(push.topic);
  await deliver(second.text);
  await expect.poll(async () => (await shown()).filter((n) => n.tag === 'chat:ada@localhost')).toEqual([
    { title: 'ada', body: '2 new messages\nHello?', tag: 'chat:ada@localhost', stays: false },
  ]);
  ada.content();
});

test('a click opens the chat, where the messages are, once', async () => {
  await bob.open('/');
  await bob.page.getByRole('heading', { name: 'Chats', exact: true }).waitFor();
  const sw = bob.context.serviceWorkers()[0] ?? (await bob.context.waitForEvent('serviceworker'));
  await sw.evaluate(async () => {
    const scope = globalThis as unknown as { registration: ServiceWorkerRegistration; dispatchEvent(e: Event): void };
    const [notification] = await scope.registration.getNotifications({ tag: 'chat:ada@localhost' });
    const Click = (globalThis as unknown as { NotificationEvent: new (type: string, init: object) => Event }).NotificationEvent;
    scope.dispatchEvent(new Click('notificationclick', { notification }));
  });
  await composer(bob).waitFor();
  await expect.poll(async () => bob.page.locator('.timeline .bubble .text').allTextContents()).toEqual(['Are you there?', 'Hello?']);
  await expect.poll(async () => (await shown()).filter((n) => n.tag.startsWith('chat:'))).toEqual([]);
});

test('who does not want it, gets notifications that say nothing', async () => {
  await bob.go('/settings/notifications');
  await bob.field('Only that there is something new').check();
  await bob.page.close();
  await say(ada, 'A secret');
  await deliver((await service.next()).text);
  await expect.poll(shown).toContainEqual({ title: 'New message', body: 'Open Kith to see it.', tag: 'new', stays: false });
});

test('an address that the push service has forgotten is made anew', async () => {
  await bob.open('/settings/notifications');
  await bob.text('On. You are told of new messages, even when Kith is closed.').waitFor();
  service.status = 410;
  await bob.button('Send a test').click();
  await service.next();
  await bob.page.locator('.item .wrong', { hasText: 'It can no longer be reached.' }).waitFor();
  service.status = 201;
  await bob.button('Send a test').click();
  await bob.page.locator('.item .good', { hasText: 'Sent.' }).waitFor();
  expect((await service.next()).text).toContain('kind="test"');
});

test('nothing comes any more after the person has logged out', async () => {
  await bob.go('/settings');
  await bob.button('Log out').click();
  await bob.dialog.getByRole('button', { name: 'Log out' }).click();
  await bob.field('Your address').waitFor();
  await say(ada, 'Gone?');
  await logIn(bob, 'bob', BOB);
  await bob.text('Gone?').first().waitFor();
  expect(service.waiting).toBe(0);
});
