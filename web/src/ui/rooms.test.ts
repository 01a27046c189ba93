// SPDX-License-Identifier: Apache-2.0
// @vitest-environment happy-dom

// The settings' pages, blocking, files and gaps.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { FakeApp } from './testing/fake';
import { inside, squareOf } from './settings/crop';
import { rename } from './files/picture';
import { size } from './files/size';
import { world } from './testing/scene';
import { show, type Screen } from './testing/screen';

const still = { delay: 0, now: new Date(2026, 2, 4, 12).getTime() } as const;
const ANN = 'ann@example.org';
let screen: Screen | undefined;

async function open(app: FakeApp, at?: string): Promise<Screen> {
  screen = await show(app, at);
  return screen;
}

beforeEach(() => {
  localStorage.clear();
  vi.stubGlobal('matchMedia', (query: string) => ({ matches: /hover|min-width/u.test(query) && !query.includes('1300'), addEventListener() {}, removeEventListener() {} }));
  vi.spyOn(document, 'hasFocus').mockReturnValue(true);
});

afterEach(() => {
  screen?.close();
  screen = undefined;
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe('the profile', () => {
  test('has a name that is saved', async () => {
    const app = world(still);
    const s = await open(app, '/settings');
    await s.click('a.item', 'Profile');
    await s.type('input[name=nickname]', ' Rob ');
    await s.submit();
    expect(app.calls).toContain('setName Rob');
    expect(s.find<HTMLInputElement>('input[name=nickname]').value).toBe('Rob');
    await s.click('button', 'Remove');
    expect(app.calls).toContain('setAvatar none');
    expect(s.all('button', 'Choose a picture').length).toBe(1);
  });

  test('says what did not work', async () => {
    const app = world(still);
    app.fail.set('setName', 'offline');
    const s = await open(app, '/settings/profile');
    await s.type('input[name=nickname]', 'Rob');
    await s.submit();
    expect(s.find('.field .wrong').textContent).toContain('There is no connection.');
  });

  test('is cut out of a picture, and never from beside it', () => {
    const picture = { width: 400, height: 200 };
    expect(squareOf(picture, { x: 0.5, y: 0.5, zoom: 1 })).toEqual({ x: 100, y: 0, side: 200 });
    for (const view of [{ x: -3, y: 9, zoom: 1 }, { x: 0, y: 0, zoom: 2.5 }, { x: 1, y: 1, zoom: 99 }, { x: 0.4, y: 0.6, zoom: 0 }]) {
      const { x, y, side } = squareOf(picture, inside(picture, view));
      expect(side).toBeGreaterThan(0);
      expect(x).toBeGreaterThanOrEqual(-1e-9);
      expect(y).toBeGreaterThanOrEqual(-1e-9);
      expect(x + side).toBeLessThanOrEqual(400 + 1e-9);
      expect(y + side).toBeLessThanOrEqual(200 + 1e-9);
    }
  });
});

describe('the devices', () => {
  test('are signed out after a question', async () => {
    const app = world(still);
    const s = await open(app, '/settings/devices');
    expect(s.text()).toContain('Firefox, Linux');
    await s.click('button', 'Sign out Chrome, Android');
    expect(s.find('dialog').textContent).toContain('Sign out Chrome, Android?');
    await s.click('dialog .danger');
    expect(app.calls).toContain('signOut d2');
    expect(s.text()).not.toContain('Chrome, Android');
  });

  test('that know the password are kept out by another one', async () => {
    const app = world(still);
    const s = await open(app, '/settings/devices');
    await s.click('button', 'Sign out Pixel 8');
    expect(s.find('dialog').textContent).toContain('This device knows your password');
    await s.click('dialog .main', 'Change the password');
    expect(s.find('dialog').textContent).toContain('Your password now');
    expect(app.calls.filter((c) => c.startsWith('signOut'))).toEqual([]);
  });

  test('all go at once, but for those', async () => {
    const app = world(still);
    app.fail.set('signOut', 'password-needed');
    const s = await open(app, '/settings/devices');
    await s.click('button.item', 'Sign out all other devices');
    await s.click('dialog .danger');
    expect(app.calls).toContain('signOut d2 d3');
    expect(s.find('dialog').textContent).toContain('This device knows your password');
    expect(s.all('dialog .main', 'Change the password').length).toBe(1);
  });

  test('cannot be listed without a connection, and can be tried again', async () => {
    const app = world(still);
    app.fail.set('devices', 'offline');
    const s = await open(app, '/settings/devices');
    expect(s.find('.note').textContent).toContain('There is no connection.');
    await s.click('.note button', 'Try now');
    expect(s.text()).toContain('Firefox, Linux');
  });
});

describe('notifications', () => {
  test('are turned on, tested and turned off', async () => {
    const app = world(still);
    const s = await open(app, '/settings/notifications');
    await s.click('button', 'Turn on');
    expect(app.calls).toContain('enableNotifications');
    expect(s.text()).toContain('even when Kith is closed');
    expect(s.text()).toContain('Its push service cannot be reached.');
    await s.click('button', 'Send a test');
    expect(s.text()).toContain('Sent. It should be here in a moment.');
    app.tested = 'gone';
    await s.click('button', 'Send a test');
    expect(s.text()).toContain('It can no longer be reached.');
    await s.act(() => s.all('.options input')[1]?.click());
    expect(app.discreet.value).toBe(true);
    await s.click('button', 'Turn off');
    expect(app.calls).toContain('disableNotifications');
    expect(s.all('button', 'Turn on').length).toBe(1);
  });

  test('say why they cannot be', async () => {
    const app = world(still);
    app.fail.set('enableNotifications', 'push');
    const s = await open(app, '/settings/notifications');
    await s.click('button', 'Turn on');
    expect(s.text()).toContain('The push service of your browser cannot be reached');
    await s.act(() => void (app.notifications.value = 'off'));
    expect(s.text()).toContain('allow notifications for this page');
    await s.act(() => void (app.push.value = 'install'));
    expect(s.text()).toContain('Add to Home Screen');
  });
});

describe('blocking', () => {
  test('from the details of a contact, with a report', async () => {
    const app = world(still);
    const s = await open(app, `/contact/${ANN}`);
    await s.click('button', 'Block …');
    await s.act(() => s.find('dialog input[type=checkbox]').click());
    await s.click('dialog .danger');
    expect(app.calls).toContain(`block ${ANN} spam`);
    expect(s.find('.here').textContent).toBe('You have blocked Ann Okafor.');
    await s.click('button', 'Unblock');
    expect(app.blocked.value.has(ANN)).toBe(false);
  });

  test('leaves no place to write', async () => {
    const app = world(still);
    const s = await open(app, '/c/pest@example.com');
    expect(s.all('textarea')).toEqual([]);
    expect(s.find('.composer').textContent).toContain('You have blocked Pest.');
    await s.click('.composer button', 'Unblock');
    expect(s.all('textarea').length).toBe(1);
  });

  test('is taken back in the settings', async () => {
    const app = world(still);
    const s = await open(app, '/settings/privacy');
    await s.click('button', 'Unblock Pest');
    expect(app.calls).toContain('unblock pest@example.com');
    expect(s.text()).toContain('You have not blocked anybody.');
  });

  test('a stranger is one press away', async () => {
    const app = world(still);
    const s = await open(app, '/c/stranger@example.com');
    await s.click('.stranger button', 'Block');
    await s.click('dialog .danger');
    expect(app.calls).toContain('block stranger@example.com');
    expect(s.all('.stranger')).toEqual([]);
  });
});

describe('files', () => {
  const file = new File(['x'], 'notes.txt', { type: 'text/plain' });

  async function choose(s: Screen, ...files: File[]): Promise<void> {
    await s.act(() => {
      const input = s.find<HTMLInputElement>('.composer input[type=file]');
      Object.defineProperty(input, 'files', { value: files, configurable: true });
      input.dispatchEvent(new Event('change', { bubbles: true }));
    });
  }

  test('are shown before they are sent, with a few words', async () => {
    const app = world(still);
    const s = await open(app, `/c/${ANN}`);
    await choose(s, file, new File(['yy'], 'more.txt', { type: 'text/plain' }));
    expect(s.find('dialog').textContent).toContain('Send to Ann Okafor');
    await s.type('.caption', 'For you');
    await s.submit('dialog form');
    expect(app.calls.filter((c) => c.startsWith('sendFile'))).toEqual([`sendFile ${ANN} notes.txt`, `sendFile ${ANN} more.txt For you`]);
    expect(s.all('dialog')).toEqual([]);
    expect(s.all('.message.mine').at(-1)?.textContent).toContain('For you');
  });

  test('that are too large say so at once', async () => {
    const app = world(still);
    app.fileLimit.value = 1_000;
    const s = await open(app, `/c/${ANN}`);
    await choose(s, new File(['x'.repeat(2_500)], 'big.zip', { type: 'application/zip' }));
    expect(s.find('.picked').textContent).toMatch(/3 kB\. Up to 1 kB can be sent\./);
    await s.submit('dialog form');
    expect(app.calls.filter((c) => c.startsWith('sendFile'))).toEqual([]);
    await s.click('button', 'Leave out big.zip');
    expect(s.all('dialog')).toEqual([]);
  });

  test('are not offered where the server takes none', async () => {
    const app = world(still);
    app.fileLimit.value = undefined;
    const s = await open(app, `/c/${ANN}`);
    expect(s.all('.composer input[type=file]')).toEqual([]);
  });

  test('on their way say how far they are, and can be stopped', async () => {
    const app = world(still);
    const s = await open(app, `/c/${ANN}`);
    await s.act(() => app.sendFile(ANN, { blob: file, name: 'notes.txt', width: 0, height: 0 }, ''));
    const key = [...app.files.keys()].at(-1) ?? '';
    await s.act(() => void (app.uploads.value = { [key]: 0.43 }));
    expect(s.find<HTMLProgressElement>('.attachment progress').value).toBe(43);
    await s.click('button', 'Do not send notes.txt');
    expect(app.calls).toContain(`discard ${key}`);
  });

  test('of contacts are shown, those of strangers when they are asked for', async () => {
    const app = world(still);
    const s = await open(app, `/c/${ANN}`);
    const img = s.find<HTMLImageElement>('.attachment .open img');
    expect(img.getAttribute('loading')).toBe('lazy');
    expect(s.find('.attachment .open').style.aspectRatio).toBe('320 / 200');
    await s.click('.attachment .open');
    expect(s.find('dialog.viewer').getAttribute('aria-label')).toBe('Picture lake.png');
    await s.click('dialog.viewer button', 'Close');
    await s.click('.pane-list a', 'stranger');
    expect(s.all('.attachment img')).toEqual([]);
    await s.click('.attachment .ask');
    expect(s.find<HTMLImageElement>('.attachment img').src).toBe('https://files.example.com/x/bike.jpg');
  });

  test('are only fetched over TLS, or from our own server', async () => {
    const app = world(still);
    const s = await open(app, `/c/${ANN}`);
    const before = s.all('.attachment img').length;
    await s.act(() => void app.put(ANN, '', { file: { url: 'http://files.example.com/a.jpg', name: 'a.jpg', type: 'image/jpeg', size: 1, width: 9, height: 9, kind: 'picture' } }));
    expect(s.all('.attachment img').length).toBe(before);
    expect(s.find<HTMLAnchorElement>('a.card', 'Save a.jpg').rel).toBe('noopener noreferrer');
  });

  test('say why they were not sent', async () => {
    const app = world(still);
    app.fileLimit.value = 100_000_000;
    const s = await open(app, `/c/${ANN}`);
    const bad = { mine: true, state: 'failed', file: { url: '', name: 'a', type: '', size: 1, width: 0, height: 0, kind: 'file' } } as const;
    await s.act(() => void app.put(ANN, '', { ...bad, failure: 'file-too-large' }));
    await s.act(() => void app.put(ANN, '', { ...bad, failure: 'quota', retryAt: new Date(2026, 2, 5, 8).getTime() }));
    expect(s.all('.failure').map((e) => e.textContent)).toEqual([expect.stringContaining('up to 100 MB can be sent'), expect.stringContaining('It can go again on Thursday, March 5')]);
  });

  test.each([[0, '0 bytes'], [999, '999 bytes'], [1_400, '1 kB'], [1_432_000, '1.4 MB'], [24_000_000, '24 MB'], [3e9, '3 GB']])('%d bytes are %s', (n, want) => expect(size(n)).toBe(want));

  test.each([['a.heic', 'image/jpeg', 'a.jpg'], ['a.jpeg', 'image/jpeg', 'a.jpeg'], ['a', 'image/png', 'a.png'], ['.webp', 'image/jpeg', 'picture.jpg'], ['b.GIF', 'image/gif', 'b.GIF']])(
    '%s as %s is called %s', (name, type, want) => expect(rename(name, type)).toBe(want),
  );
});

describe('history', () => {
  test('a gap is a row that is filled when asked', async () => {
    const app = world(still);
    const s = await open(app, `/c/${ANN}`);
    const t = await app.timeline(ANN);
    await s.act(() => void (app.gaps.value = [{ id: 'g', before: t.messages.value.at(-1)?.key ?? '', busy: false }]));
    expect(s.find('.gap').nextElementSibling?.textContent).toContain('Are you coming on Friday?');
    await s.click('.gap button', 'Get them');
    expect(app.calls).toContain('fill g');
    expect(s.all('.gap')).toEqual([]);
  });

  test('catching up is one line that can be held', async () => {
    const app = world(still);
    const s = await open(app);
    await s.act(() => void (app.catchUp.value = { done: 1200, total: 5000, paused: false }));
    expect(s.find('.banner').textContent).toContain('1,200 of 5,000');
    await s.click('.banner button', 'Pause');
    expect(app.calls).toContain('holdCatchUp true');
    expect(s.find('.banner').textContent).toContain('Go on');
  });
});
