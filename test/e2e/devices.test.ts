// SPDX-License-Identifier: Apache-2.0

// One person with three devices, two browsers and one that is no browser, which stay equal; and another who writes.
// KITH_SOAK makes the long absence longer.
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { bubbles, composer, invite, logIn, say, shows, signUp } from './app';
import { launch, Person } from './browser';
import { Device, hasSlixmpp } from './device';
import { Kith } from './kith';

const ADA = 'difference engine no 2';
const BOB = 'a password of his own';
const PICTURE = fileURLToPath(new URL('../../web/public/icon-512.png', import.meta.url));
// More than wait for a session that sleeps: it ends, and the archive is what is left.
const MANY = process.env['KITH_SOAK'] ? 5000 : 1200;
const ALL = `${MANY.toLocaleString('en-GB')} unread messages`;
const LONG = process.env['KITH_SOAK'] ? 600_000 : 120_000; // ms

let kith: Kith;
let browser: Browser;
let desk: Person; // Ada's
let phone: Person; // Ada's
let third: Device; // Ada's
let bob: Person;
let crowd: Device; // Bob's

describe.skipIf(!hasSlixmpp)('several devices', () => {
  beforeAll(async () => {
    kith = await Kith.started();
    browser = await launch();
    [desk, phone, bob] = await Promise.all([1, 2, 3].map(() => Person.come(browser, kith.url))) as [Person, Person, Person];
    await desk.page.setViewportSize({ width: 1280, height: 800 });
    await desk.go(await kith.command('invite', 'create', '--admin'));
    await desk.link('Create your account').click();
    await signUp(desk, 'ada', ADA);
    await bob.go(await invite(desk));
    await bob.link('Create your account').click();
    await signUp(bob, 'bob', BOB);
    await composer(bob).waitFor();
    await phone.go('/');
    await logIn(phone, 'ada', ADA);
    await phone.page.getByRole('heading', { name: 'Chats', exact: true }).waitFor();
    third = await Device.start(kith, 'ada', ADA, 'third');
    crowd = await Device.start(kith, 'bob', BOB, 'crowd');
  }, 60_000);

  afterEach(() => {
    for (const p of [desk, phone, bob]) p.content();
  });

  afterAll(async () => {
    third?.end();
    crowd?.end();
    await browser?.close();
    await kith?.remove();
  });

  test('what any device says or hears is on all of them, once, in the same order', async () => {
    await desk.go('/c/bob@localhost');
    await phone.go('/c/bob@localhost');
    const said: string[] = [];
    const all = async (text: string): Promise<void> => {
      said.push(text);
      for (const p of [desk, phone, bob]) await shows(p, ...said);
    };
    for (const round of ['one', 'two', 'three']) {
      await say(bob, `bob ${round}`);
      await all(`bob ${round}`);
      await say(desk, `desk ${round}`);
      await all(`desk ${round}`);
      await say(phone, `phone ${round}`);
      await all(`phone ${round}`);
      await third.do('say', 'bob@localhost', `third ${round}`);
      await all(`third ${round}`);
    }
    expect(await third.do('texts', said.length)).toEqual(said);
    const mine = (await bubbles(desk)).filter((b) => b.mine).map((b) => b.text);
    expect(mine).toEqual(said.filter((s) => !s.startsWith('bob')));
    for (const p of [desk, phone]) {
      await p.page.reload();
      await shows(p, ...said);
    }
  });

  test('what was read on one device is read on the others', async () => {
    for (const p of [desk, phone]) {
      await p.go('/');
      await p.page.locator('.row', { hasText: 'bob' }).waitFor();
    }
    const unread = async (n: number): Promise<void> => {
      for (const p of [desk, phone]) {
        const badge = p.page.locator('.row .badge .hidden');
        await expect.poll(() => badge.allTextContents()).toEqual(n === 0 ? [] : [n === 1 ? '1 unread message' : `${n} unread messages`]);
      }
    };
    await say(bob, 'Have you read it?');
    await unread(1);
    await say(bob, 'And this?');
    await unread(2);
    await third.do('texts', 14);
    await phone.go('/c/bob@localhost');
    await composer(phone).waitFor();
    await unreadOn(desk, []);
    await third.do('displayed', 'bob@localhost');
    await phone.go('/');
    await unread(0);
    await say(bob, 'Nor this?');
    await unread(1);
    await third.do('texts', 15);
    await third.do('read', 'bob@localhost'); // the one that is no browser
    await unread(0);
    await phone.page.reload();
    await phone.page.locator('.row', { hasText: 'Nor this?' }).waitFor();
    await unread(0);
  });

  test('a picture and a name that are chosen on one are on all, and seen by the other', async () => {
    await desk.go('/settings/profile');
    await phone.go('/settings/profile');
    await phone.page.locator('input[type=file]').first().setInputFiles(PICTURE);
    await phone.page.getByRole('application').waitFor();
    await phone.dialog.getByRole('button', { name: 'Save' }).click();
    await phone.dialog.waitFor({ state: 'detached' });
    await desk.page.locator('.person img.avatar').waitFor();
    const face = await third.do<{ said: number; is: number }>('face', 'ada@localhost');
    expect(face.is).toBe(face.said);
    await bob.go('/c/ada@localhost');
    await bob.page.locator('.chat > .bar img.avatar').waitFor();
    await desk.field('Your name').fill('Ada Lovelace');
    await desk.button('Save').click();
    await expect.poll(() => phone.field('Your name').inputValue()).toBe('Ada Lovelace');
    await bob.page.getByRole('heading', { name: 'Ada Lovelace' }).waitFor();
    expect(await third.do('name', 'ada@localhost')).toBe('Ada Lovelace');
    // What is in the picture, since its address is each browser's own.
    const sum = (p: Person, at: string): Promise<string> =>
      p.page.locator(at).evaluate(async (img: HTMLImageElement) => {
        const canvas = new OffscreenCanvas(img.naturalWidth, img.naturalHeight);
        const context = canvas.getContext('2d');
        context?.drawImage(img, 0, 0);
        const dots = context?.getImageData(0, 0, canvas.width, canvas.height).data ?? new Uint8ClampedArray();
        const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', dots));
        return `${canvas.width} × ${canvas.height} ${[...hash].map((b) => b.toString(16)).join('')}`;
      });
    const own = await sum(phone, '.person img.avatar');
    expect(await sum(desk, '.person img.avatar')).toBe(own);
    expect(await sum(bob, '.chat > .bar img.avatar')).toBe(own);
  });

  test('who is blocked on one is blocked on all', async () => {
    for (const p of [desk, phone]) {
      await p.go('/settings/privacy');
      await p.text('You have not blocked anybody.').waitFor();
    }
    expect(await third.do('blocked')).toEqual([]); // who has asked is told what changes
    await third.do('block', 'mallory@localhost');
    for (const p of [desk, phone]) await p.button('Unblock mallory').waitFor();
    await desk.button('Unblock mallory').click();
    await phone.text('You have not blocked anybody.').waitFor();
    await third.do('pushed', 'unblock', 'mallory@localhost');
    expect(await third.do('blocked')).toEqual([]);
    await desk.go('/c/bob@localhost');
    await desk.page.locator('.chat > .bar .who').first().click();
    await desk.button('Block …').click();
    await desk.dialog.getByRole('button', { name: 'Block', exact: true }).click();
    await third.do('pushed', 'block', 'bob@localhost');
    await phone.button('Unblock bob').waitFor();
    await phone.button('Unblock bob').click();
    await third.do('pushed', 'unblock', 'bob@localhost');
    await desk.go('/settings/privacy');
    await desk.text('You have not blocked anybody.').waitFor();
  });

  test('a bookmark of an old client is one for new clients', async () => {
    await third.do('bookmark', 'hall@rooms.localhost', 'The hall', 'ada');
    const kept = [['hall@rooms.localhost', 'The hall', 'ada']];
    await expect.poll(() => third.do('bookmarks')).toEqual({ new: kept, old: kept });
  });

  test('a browser that was away for very long catches up, with nothing missing, nothing twice, in order', async () => {
    await phone.go('/c/bob@localhost');
    await composer(phone).waitFor();
    await toTop(phone);
    const before = (await bubbles(phone)).map((b) => b.text);
    await phone.page.close();
    await desk.go('/');
    await crowd.do('crowd', 'ada@localhost', MANY);
    const want = [...before, ...Array.from({ length: MANY }, (_, i) => `number ${i + 1}`)];
    expect((await third.do<string[]>('texts', want.length)).slice(-MANY)).toEqual(want.slice(-MANY));

    // The line that shows how far it is, noted down whenever it changes.
    const told: string[] = [];
    await phone.context.exposeFunction('noteDown', (line: string) => void told.push(line));
    await phone.context.addInitScript(() => {
      let last = '';
      new MutationObserver(() => {
        const line = document.querySelector('.banner .numbers')?.textContent ?? '';
        const noteDown: unknown = Reflect.get(globalThis, 'noteDown');
        if (line !== last && line !== '' && typeof noteDown === 'function') noteDown(line);
        last = line;
      }).observe(document, { subtree: true, childList: true, characterData: true });
    });
    await phone.open('/');
    const chat = phone.page.locator('.row', { hasText: 'bob' });
    await expect.poll(() => chat.locator('.badge .hidden').allTextContents(), { timeout: LONG }).toEqual([ALL]);
    await expect.poll(() => phone.page.locator('.banner').count(), { timeout: LONG }).toBe(0);
    await unreadOn(desk, [ALL]);
    expect(told.length).toBeGreaterThan(1);
    const progress = told.map((line) => (line.match(/[\d,]+/g) ?? []).map((n) => Number(n.replaceAll(',', ''))));
    for (const [done, total] of progress) if (total !== undefined) expect(done).toBeLessThanOrEqual(total);
    expect(progress.map(([done]) => done)).toEqual(progress.map(([done]) => done ?? 0).toSorted((a, b) => a - b));

    for (const p of [phone, desk]) {
      await p.go('/c/bob@localhost');
      await composer(p).waitFor();
      await toTop(p);
      expect((await bubbles(p)).map((b) => b.text)).toEqual(want);
    }
    await unreadOn(phone, []);
  }, 2 * LONG);
});

/** Waits until the badges on the list of chats are these. */
async function unreadOn(p: Person, want: readonly string[]): Promise<void> {
  await expect.poll(() => p.page.locator('.row .badge .hidden').allTextContents()).toEqual(want);
}

/** Scrolls up until all is in the page that there is, as a person would who looks for the beginning. */
async function toTop(p: Person): Promise<void> {
  const up = async (): Promise<number> => {
    await p.page.locator('.timeline').evaluate((box) => box.scrollTo(0, -box.scrollHeight));
    return p.page.locator('.timeline .hero').count();
  };
  await expect.poll(up, { timeout: LONG, interval: 20 }).toBe(1);
}
