// SPDX-License-Identifier: Apache-2.0

// The whole way, from the link for the first admin to two people who chat: one story, step after step.
import type { Browser, Response } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { bubbles, composer, logIn, openChat, reaches, say, shows, signUp } from './app';
import { launch, Person } from './browser';
import { Kith } from './kith';
import { RawClient } from './raw';

const ADA = 'difference engine no 2';
const GRACE = 'nanoseconds of wire';

let kith: Kith;
let browser: Browser;
let ada: Person;
let grace: Person;
let link = '';

beforeAll(async () => {
  kith = await Kith.make();
  await kith.start(true);
  browser = await launch();
  ada = await Person.come(browser, kith.url);
});

afterEach(() => {
  ada.content();
  grace?.content();
});

afterAll(async () => {
  await browser.close();
  await kith.remove();
});

test('the first link leads an admin through the sign-up into the app', async () => {
  await ada.go(await kith.firstLink());
  await ada.inspect('invitation-admin');
  await ada.link('Create your account').click();
  await ada.inspect('sign-up');
  await ada.field('Your name').fill('Ada');
  await ada.field('Password').fill('short');
  ada.provoke(/status of 400/);
  await ada.button('Create account').click();
  await ada.text(/Nearly there\./).waitFor();
  ada.provoke();
  await ada.inspect('sign-up-errors');
  const app = ada.page.waitForResponse((r) => new URL(r.url()).pathname === '/' && r.request().isNavigationRequest() && r.status() === 200);
  await signUp(ada, 'Ada', ADA);
  strict(await app);
  expect(new URL(ada.page.url()).hash).toBe('');
  await ada.text('No chats yet').waitFor();
  await ada.inspect('chats-none');
});

// Nothing inline, nothing from elsewhere, and no object, frame or base of anybody's.
function strict(response: Response): void {
  const policy = new Map((response.headers()['content-security-policy'] ?? '').split(/; */).map((d) => [d.split(' ')[0] ?? '', d]));
  expect(policy.get('default-src')).toBe("default-src 'none'");
  expect(policy.get('script-src')).toBe(`script-src ${kith.url}/assets/`);
  expect(policy.get('style-src')).toBe(`style-src ${kith.url}/assets/`);
  expect(policy.get('base-uri')).toBe("base-uri 'none'");
  expect(policy.get('frame-ancestors')).toBe("frame-ancestors 'none'");
  expect([...policy.values()].join()).not.toMatch(/unsafe|\*/);
}

test('she invites a friend, by link and by QR code', async () => {
  await ada.button('Invite a friend').click();
  const shown = ada.field('Invitation link');
  link = await shown.inputValue();
  expect(link).toMatch(new RegExp(`^${kith.url}/invite/[\\w-]+$`));
  const code = ada.page.getByRole('img', { name: 'QR code of the invitation link' });
  expect(await code.getAttribute('src')).toBe(`${new URL(link).pathname}/qr.svg`);
  await expect.poll(() => code.evaluate((img) => (img instanceof HTMLImageElement ? img.naturalWidth : 0))).toBeGreaterThan(0);
  await ada.inspect('invite');
  await ada.button('Copy').click();
  expect(await ada.page.evaluate(() => navigator.clipboard.readText())).toBe(link);
  await ada.button('Close').click();
});

test('the friend signs up on the link, and each is in the contacts of the other', async () => {
  grace = await Person.come(browser, kith.url);
  await grace.go(link);
  await grace.page.getByRole('heading', { name: 'ada invites you to chat' }).waitFor();
  await grace.inspect('invitation');
  await grace.link('Create your account').click();
  await signUp(grace, 'grace', GRACE);
  await composer(grace).waitFor(); // she begins in the chat with who invited her
  expect(new URL(grace.page.url()).pathname).toBe('/c/ada@localhost');
  await grace.text('Online').waitFor();
  await grace.inspect('chat-none');
  await grace.button('Back to the chats').click();
  await openChat(grace, 'ada');
  await openChat(ada, 'grace');
  await ada.text('Online').waitFor();
});

test('they chat both ways, and see that it arrives and that the other types', async () => {
  await say(ada, 'Hello Grace!');
  await shows(grace, 'Hello Grace!');
  await reaches(ada, 'Hello Grace!', 'Delivered');
  await say(grace, 'Hello Ada, how is the engine?\nhttps://example.org/engine?a=1&b=2');
  await shows(ada, 'Hello Grace!', 'Hello Ada, how is the engine?\nhttps://example.org/engine?a=1&b=2');
  await reaches(grace, 'Hello Ada, how is the engine?\nhttps://example.org/engine?a=1&b=2', 'Delivered');
  expect(await ada.link('https://example.org/engine?a=1&b=2').getAttribute('rel')).toContain('noopener');
  await composer(grace).pressSequentially('I thi');
  await ada.text('typing …').waitFor();
  await composer(grace).fill('');
  await ada.text('typing …').waitFor({ state: 'detached' });
  await say(ada, '<b>loud</b> & "clear"');
  await shows(grace, 'Hello Grace!', 'Hello Ada, how is the engine?\nhttps://example.org/engine?a=1&b=2', '<b>loud</b> & "clear"');
  await ada.inspect('chat');
});

test('what is sent while one is away is found in order on return, and counted', async () => {
  await grace.page.close(); // her session sleeps: nobody sees a difference
  for (const text of ['one', 'two', 'three']) await say(ada, text);
  await reaches(ada, 'three', 'Sent');
  await grace.open('/');
  await grace.text('3 unread messages').waitFor({ state: 'attached' });
  await expect.poll(() => grace.page.title()).toBe('(3) Kith');
  await grace.inspect('chats-unread');
  await openChat(grace, 'ada');
  expect((await bubbles(grace)).map((b) => b.text).slice(-3)).toEqual(['one', 'two', 'three']);
  await grace.text('Unread messages').waitFor();
  await grace.inspect('chat-unread');
  await reaches(ada, 'three', 'Delivered');
  await expect.poll(() => grace.page.title()).toBe('ada · Kith');
});

test('without a network one reads and writes on, and it goes out when the network is back', async () => {
  grace.provoke(/ERR_INTERNET_DISCONNECTED|WebSocket connection/);
  await grace.context.setOffline(true);
  await grace.page.reload();
  await composer(grace).waitFor(); // the address still names the chat
  await say(grace, 'four');
  await say(grace, 'five');
  await reaches(grace, 'five', 'Waiting to be sent');
  await say(ada, 'six');
  await grace.text(/No connection/).waitFor();
  await grace.inspect('chat-offline');
  await grace.context.setOffline(false);
  await reaches(grace, 'five', 'Delivered');
  const all = async (p: Person): Promise<string[]> => (await bubbles(p)).map((b) => b.text).slice(-3);
  await expect.poll(async () => (await all(grace)).toSorted()).toEqual(['five', 'four', 'six']);
  await expect.poll(() => all(ada)).toEqual(['six', 'four', 'five']);
  grace.provoke();
});

test('a server that starts anew loses nothing', async () => {
  ada.provoke(/WebSocket connection|ERR_CONNECTION_REFUSED/);
  grace.provoke(/WebSocket connection|ERR_CONNECTION_REFUSED/);
  await kith.stop();
  await say(ada, 'is anybody there?');
  await reaches(ada, 'is anybody there?', 'Waiting to be sent');
  await kith.start();
  for (const p of [ada, grace]) await p.wake(); // instead of waiting for their next try
  await reaches(ada, 'is anybody there?', 'Delivered');
  await expect.poll(async () => (await bubbles(grace)).at(-1)?.text).toBe('is anybody there?');
  ada.provoke();
  grace.provoke();
});

test('a reload keeps everything', async () => {
  for (const p of [ada, grace]) {
    const before = await bubbles(p);
    await p.page.reload();
    await composer(p).waitFor();
    await expect.poll(() => bubbles(p)).toEqual(before);
  }
  await say(grace, 'still here');
  await reaches(grace, 'still here', 'Delivered');
});

test('a message for other devices says that it cannot be read', async () => {
  const other = await RawClient.logIn(kith.tls, 'grace', GRACE);
  other.send(
    '<message type="chat" to="ada@localhost" id="omemo-1"><body>I sent you an OMEMO encrypted message</body>' +
      '<encrypted xmlns="eu.siacs.conversations.axolotl"><header sid="27183"><key rid="31415">QUJD</key><iv>QUJD</iv></header><payload>QUJD</payload></encrypted>' +
      '<encryption xmlns="urn:xmpp:eme:0" namespace="eu.siacs.conversations.axolotl" name="OMEMO"/><store xmlns="urn:xmpp:hints"/></message>',
  );
  await ada.text('This message was encrypted for other devices, so it cannot be read here.').waitFor();
  expect(await ada.text(/OMEMO/).count()).toBe(0);
  other.close();
  await ada.inspect('chat-encrypted');
});

test('a contact is renamed, and taken out and asked again', async () => {
  await ada.go('/new');
  await ada.text('Contacts').waitFor();
  await ada.inspect('new');
  await ada.button(/^Add a contact/).click();
  await ada.inspect('add');
  await ada.button('Cancel').click();
  await ada.go('/contact/grace@localhost');
  await ada.text('Online').waitFor();
  await ada.inspect('contact');
  await ada.button('Change the name').click();
  await ada.field('Name').fill('Grace H.');
  await ada.inspect('rename');
  await ada.button('Save').click();
  await ada.page.locator('.called', { hasText: 'Grace H.' }).waitFor();
  await ada.button('Remove from contacts').click();
  await ada.inspect('remove');
  await ada.dialog.getByRole('button', { name: 'Remove' }).click();
  await ada.text('Not one of your contacts.').waitFor();
  await ada.button('Add to contacts').click();
  await grace.button('Accept ada').click();
  await ada.text('Online').waitFor();
});

test('a message to nobody comes back with a reason', async () => {
  await ada.go('/c/nobody@localhost');
  await say(ada, 'Hello?');
  await ada.text('Nobody has this address.').waitFor();
  await ada.inspect('chat-failed');
  await ada.button('Delete').click();
  await shows(ada);
});

test('a keyboard is enough to log in, open a chat and send', async () => {
  const p = await Person.come(browser, kith.url);
  await p.go('/');
  const address = p.field('Your address');
  await expect.poll(() => address.evaluate((e) => e === document.activeElement)).toBe(true); // else keys go nowhere
  const keys = p.page.keyboard;
  await keys.type('grace');
  await keys.press('Tab');
  await keys.type(GRACE);
  await keys.press('Enter');
  await p.page.getByRole('heading', { name: 'Chats', exact: true }).waitFor();
  await p.text('ada').first().waitFor();
  const focused = (): Promise<string> => p.page.evaluate(() => document.querySelector('a:focus')?.textContent ?? '');
  for (let i = 0; i < 10 && !(await focused()).includes('ada'); i++) await keys.press('Tab');
  expect(await focused()).toContain('ada');
  await keys.press('Enter');
  await composer(p).waitFor();
  await expect.poll(() => composer(p).evaluate((e) => e === document.activeElement)).toBe(true);
  await keys.type('by hand');
  await keys.press('Enter');
  await reaches(p, 'by hand', 'Delivered');
  await keys.press('Escape');
  await p.page.getByRole('heading', { name: 'Chats', exact: true }).waitFor();
  await expect.poll(focused).toContain('ada');
  p.content();
  await p.leave();
});

test('a wrong password is told kindly, the right one is taken, and nothing is left of the sentence', async () => {
  const p = await Person.come(browser, kith.url);
  await p.go('/');
  await p.inspect('log-in');
  await logIn(p, 'grace', 'not her password');
  await p.page.locator('.field .wrong', { hasText: 'The address or the password is not right.' }).waitFor();
  await p.inspect('log-in-wrong');
  await logIn(p, 'grace', GRACE);
  await p.page.getByRole('heading', { name: 'Chats', exact: true }).waitFor();
  expect(await p.page.content()).not.toContain('The address or the password is not right.');
  p.content();
  await p.leave();
});

test('a new password ends the other sessions, which say so, and this one goes on', async () => {
  const p = await Person.come(browser, kith.url);
  await p.go('/');
  await logIn(p, 'grace', GRACE);
  await p.text('ada').first().waitFor();
  await p.go('/settings');
  await p.inspect('settings');
  await p.button('Change the password').click();
  await p.field('Your password now').fill('not her password');
  await p.field('New password').fill('short');
  await p.dialog.getByRole('button', { name: 'Change' }).click();
  await p.dialog.locator('.wrong').waitFor();
  await p.inspect('password');
  await p.field('New password').fill('a compiler for everybody');
  await p.dialog.getByRole('button', { name: 'Change' }).click();
  await p.dialog.locator('.wrong', { hasText: 'This is not your password.' }).waitFor();
  await p.field('Your password now').fill(GRACE);
  await p.dialog.getByRole('button', { name: 'Change' }).click();
  await p.dialog.getByText('Your password has been changed.').waitFor();
  await p.button('Close').click();
  await grace.text('The password of this account was changed. Log in with the new one.').waitFor();
  await grace.inspect('log-in-changed');
  await logIn(grace, 'grace', 'a compiler for everybody');
  await composer(grace).waitFor();
  await expect.poll(async () => (await bubbles(grace)).map((b) => b.text)).toContain('still here'); // kept meanwhile
  await p.page.reload();
  await p.button('Log out').click();
  await p.inspect('log-out');
  await p.dialog.getByRole('button', { name: 'Log out' }).click();
  await p.field('Your address').waitFor();
  expect(await p.field('Your address').inputValue()).toBe('');
  expect(await p.page.evaluate(async () => (await indexedDB.databases()).map((d) => d.name))).toEqual(['kith']);
  p.content();
  await p.leave();
});
