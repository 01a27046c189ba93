// SPDX-License-Identifier: Apache-2.0

// Two people who know each other: names and pictures, files, blocking, and the devices of one of them.
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { composer, invite, logIn, reaches, say, shows, signUp } from './app';
import { launch, Person } from './browser';
import { Kith } from './kith';

const ADA = 'difference engine no 2';
const BOB = 'a password of his own';
const PICTURE = fileURLToPath(new URL('../../web/public/icon-512.png', import.meta.url));

let kith: Kith;
let browser: Browser;
let ada: Person;
let bob: Person;

beforeAll(async () => {
  kith = await Kith.started();
  browser = await launch();
  ada = await Person.come(browser, kith.url);
  bob = await Person.come(browser, kith.url);
  await ada.go(await kith.command('invite', 'create', '--admin'));
  await ada.link('Create your account').click();
  await signUp(ada, 'ada', ADA);
  await bob.go(await invite(ada));
  await bob.link('Create your account').click();
  await signUp(bob, 'bob', BOB);
  await composer(bob).waitFor();
});

afterEach(() => {
  ada.content();
  bob.content();
});

afterAll(async () => {
  await browser.close();
  await kith.remove();
});

test('a name and a picture are chosen, and seen by the other', async () => {
  await ada.go('/settings');
  await ada.inspect('settings');
  await ada.link('Profile').click();
  await ada.inspect('profile-none');
  await ada.page.locator('input[type=file]').first().setInputFiles(PICTURE);
  const stage = ada.page.getByRole('application');
  await stage.waitFor();
  await stage.press('+');
  await stage.press('ArrowLeft');
  await ada.inspect('crop');
  await ada.dialog.getByRole('button', { name: 'Save' }).click();
  await ada.dialog.waitFor({ state: 'detached' });
  await ada.page.locator('.person img.avatar').waitFor();
  await ada.field('Your name').fill('Ada Lovelace');
  await ada.button('Save').click();
  await ada.inspect('profile');
  await bob.page.locator('.chat > .bar img.avatar').waitFor();
  await bob.page.getByRole('heading', { name: 'Ada Lovelace' }).waitFor();
  await bob.inspect('chat-avatar');
  await bob.go('/'); // and after a reload, without asking again
  await bob.page.locator('.row img.avatar').waitFor();
});

test('a picture is sent, seen, and made large', async () => {
  await ada.go('/c/bob@localhost');
  await composer(ada).fill('Our new sign');
  await ada.page.locator('.composer input[type=file]').setInputFiles(PICTURE);
  await ada.dialog.getByRole('img').waitFor();
  await ada.inspect('attach');
  await ada.dialog.getByRole('button', { name: 'Send' }).click();
  await reaches(ada, 'Our new sign', 'Delivered');
  expect(await composer(ada).inputValue()).toBe('');
  await ada.inspect('chat-picture-mine');
  await bob.go('/c/ada@localhost');
  await shows(bob, 'Our new sign');
  const picture = bob.button('Picture from Ada Lovelace. Open it');
  await expect.poll(() => picture.locator('img').evaluate((img: HTMLImageElement) => img.naturalWidth)).toBe(512);
  await bob.inspect('chat-picture');
  await picture.click();
  await bob.dialog.waitFor();
  await bob.inspect('viewer');
  await bob.page.keyboard.press('+');
  await bob.page.keyboard.press('Escape');
  await bob.dialog.waitFor({ state: 'detached' });
});

test('a photo becomes smaller, and loses what the camera wrote into it', async () => {
  const drawn = await ada.page.evaluate(() => {
    const canvas = document.createElement('canvas');
    canvas.width = 3000;
    canvas.height = 2000;
    const context = canvas.getContext('2d');
    for (let i = 0; i < 60; i++) {
      if (context) context.fillStyle = `hsl(${i * 6} 60% 50%)`;
      context?.fillRect(i * 50, 0, 50, 2000);
    }
    return canvas.toDataURL('image/jpeg').split(',')[1] ?? '';
  });
  const plain = Buffer.from(drawn, 'base64');
  const said = Buffer.from('Exif\0\0taken at 59.9139 N 10.7522 E');
  const length = Buffer.alloc(2);
  length.writeUInt16BE(said.length + 2);
  const photo = Buffer.concat([plain.subarray(0, 2), Buffer.from([0xff, 0xe1]), length, said, plain.subarray(2)]);
  await ada.page.locator('.composer input[type=file]').setInputFiles({ name: 'holiday.jpeg', mimeType: 'image/jpeg', buffer: photo });
  await ada.dialog.getByRole('button', { name: 'Send' }).click();
  const img = bob.button('Picture from Ada Lovelace. Open it').last().locator('img');
  await expect.poll(() => img.evaluate((i: HTMLImageElement) => [i.naturalWidth, i.naturalHeight])).toEqual([2048, 1365]);
  const sent = await (await bob.context.request.get((await img.getAttribute('src')) ?? '')).body();
  expect([photo.includes('59.9139'), sent.includes('59.9139'), sent.includes('Exif')]).toEqual([true, false, false]);
  expect(sent.length).toBeLessThan(photo.length);
});

test('any other file is sent by its name, and comes as it was', async () => {
  const notes = Buffer.from('nothing but text');
  await ada.page.locator('.composer input[type=file]').setInputFiles({ name: 'notes on the engine.txt', mimeType: 'text/plain', buffer: notes });
  await ada.dialog.getByRole('button', { name: 'Send' }).click();
  const link = bob.link('Save notes on the engine.txt');
  await link.waitFor();
  await bob.inspect('chat-file');
  const answer = await bob.context.request.get((await link.getAttribute('href')) ?? '');
  expect(await answer.body()).toEqual(notes);
});

test('who is blocked is not heard, and hears nothing of it', async () => {
  await bob.link('Details of Ada Lovelace').or(bob.page.locator('.chat > .bar .who')).first().click();
  await bob.inspect('contact-avatar');
  await bob.button('Block …').click();
  await bob.field(/^Report as spam/).check();
  await bob.inspect('block');
  await bob.dialog.getByRole('button', { name: 'Block and report' }).click();
  await bob.text('You have blocked Ada Lovelace.').first().waitFor();
  await bob.go('/c/ada@localhost');
  await bob.page.locator('.composer', { hasText: 'You have blocked Ada Lovelace.' }).waitFor();
  await bob.inspect('chat-blocked');
  await say(ada, 'Bob?');
  await reaches(ada, 'Bob?', 'Not sent');
  await bob.go('/settings/privacy');
  await bob.inspect('privacy');
  await bob.button('Unblock Ada Lovelace').click();
  await bob.text('You have not blocked anybody.').waitFor();
  await say(ada, 'Bob!');
  await reaches(ada, 'Bob!', 'Delivered');
  await bob.go('/c/ada@localhost');
  await expect.poll(async () => (await bob.page.locator('.timeline .bubble .text').allTextContents()).at(-1)).toBe('Bob!');
});

test('a device is signed out from another', async () => {
  const desk = await Person.come(browser, kith.url);
  await desk.go('/');
  await logIn(desk, 'bob', BOB);
  await desk.page.getByRole('heading', { name: 'Chats', exact: true }).waitFor();
  await bob.go('/settings/devices');
  await bob.page.getByText('Other devices').waitFor();
  await bob.inspect('devices');
  // The other has shown the password: only another one keeps it out.
  await bob.button(/^Sign out /).first().click();
  await bob.text(/^This device knows your password/).first().waitFor();
  await bob.inspect('devices-password');
  await bob.dialog.getByRole('button', { name: 'Cancel' }).click();
  // This one came by its sign-up, and has a token only.
  await desk.go('/settings/devices');
  await desk.button(/^Sign out /).first().click();
  await desk.inspect('devices-out');
  await desk.dialog.getByRole('button', { name: 'Sign out' }).click();
  await desk.text('You are not signed in anywhere else.').waitFor();
  await bob.text('You were logged out of this device. Log in to go on.').waitFor();
  desk.content();
  await desk.leave();
});
