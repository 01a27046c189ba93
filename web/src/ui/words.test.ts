// SPDX-License-Identifier: Apache-2.0
// @vitest-environment happy-dom

// Every word on a screen comes from src/i18n: the screens are shown in a language that puts each text into ⟦ ⟧, and
// what stands outside of these is an error. What people write and are called stands in ‹ › here.
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { use, type Table } from '../i18n';
import en from '../i18n/en.json';
import { FakeApp } from './testing/fake';
import { show, type Screen } from './testing/screen';

const sources = import.meta.glob<string>('./**/*.tsx', { query: '?raw', import: 'default', eager: true });
const strange = Object.fromEntries(
  Object.entries(en).map(([key, words]) => [
    key,
    typeof words === 'string' ? `⟦${words}⟧` : Object.fromEntries(Object.entries(words).map(([form, text]) => [form, `⟦${text}⟧`])),
  ]),
) as unknown as Table;

let screen: Screen | undefined;
beforeAll(() => use(strange, 'en'));
afterAll(() => use(en, 'en'));
afterEach(() => {
  screen?.close();
  screen = undefined;
  vi.unstubAllGlobals();
});

function world(): FakeApp {
  const app = new FakeApp({ delay: 0 });
  app.befriend({ address: 'a@example.org', name: '‹A›', show: 'online', status: '‹status›' });
  app.befriend({ address: 'b@example.org', name: '‹B›', asked: true, mutual: false });
  app.requests.value = [{ address: 'r@example.org', note: '‹note›' }];
  app.put('a@example.org', '‹hello›', { ago: 1 });
  app.put('a@example.org', '‹hello›', { mine: true, state: 'failed', failure: 'server' });
  app.put('a@example.org', '', { unreadable: 'encrypted' });
  app.put('s@example.org', '‹stranger›', {});
  app.type('a@example.org', true);
  app.ownName.value = '‹me›';
  app.put('z@example.org', '‹spam›');
  app.put('a@example.org', '', { mine: true, state: 'queued', file: { url: '', name: '‹file›', type: '', size: 0, width: 0, height: 0, kind: 'file' } });
  app.blocked.value = new Set(['z@example.org']);
  app.catchUp.value = { done: 12, total: 50, paused: false };
  app.accessed = [{ id: '1', here: false, connected: true, firstSeen: 0, lastSeen: 0, software: '‹S›', device: '‹D›', network: '‹N›', password: false }];
  app.notifications.value = 'on';
  app.push.value = 'on';
  app.pushed = [{ id: '1', here: true, name: '‹D›', service: 's', since: 0, sent: 0, failed: 1, error: 'odd' }];
  return app;
}

// loose returns what is visible or read out and stands outside of all brackets.
function loose(): string[] {
  const found: string[] = [];
  const look = (text: string): void => {
    let rest = text;
    for (let before = ''; before !== rest; ) {
      before = rest;
      rest = rest.replace(/⟦[^⟦⟧]*⟧|‹[^‹›]*›|\S+@example\.org|\b(?:[abrsz]|robin)\b|https:\S+/gu, '');
    }
    if (/\p{L}/u.test(rest)) found.push(text);
  };
  for (const element of document.querySelectorAll('body *')) {
    if (element.closest('time, .avatar, title') !== null) continue;
    for (const name of ['aria-label', 'placeholder', 'alt']) look(element.getAttribute(name) ?? '');
    // One element's own text, joined: a template in JSX makes several text nodes.
    look([...element.childNodes].filter((n) => n.nodeType === Node.TEXT_NODE && !/\d:\d\d/u.test(n.textContent ?? '')).map((n) => n.textContent).join(' '));
  }
  return found;
}

test.each([
  ['/', undefined], ['/c/a@example.org', undefined], ['/c/s@example.org', undefined], ['/c/r@example.org', undefined], ['/contact/a@example.org', undefined],
  ['/contact/s@example.org', undefined], ['/new', undefined], ['/settings', undefined],
  ['/settings/profile', undefined], ['/settings/notifications', undefined], ['/settings/privacy', undefined], ['/settings/devices', undefined],
  ['/c/z@example.org', undefined], ['/settings/devices', ['button', 'Sign out ‹D›']], ['/contact/a@example.org', ['button', 'Block']],
  ['/new', ['button', 'Invite']], ['/new', ['button', 'Add a contact']], ['/settings', ['button', 'Change the password']],
  ['/settings', ['.item', 'Log out']], ['/contact/a@example.org', ['button', 'Remove']], ['/contact/a@example.org', ['button', 'Change the name']],
] as const)('%s %s', async (at, press) => {
  screen = await show(world(), at);
  if (press !== undefined) await screen.click(press[0], press[1]);
  expect(loose()).toEqual([]);
});

test.each(['loading', 'out'] as const)('%s', async (kind) => {
  screen = await show(new FakeApp({ session: { kind } }));
  expect(loose()).toEqual([]);
});

test('no label is written into the source', () => {
  expect(Object.keys(sources).length).toBeGreaterThan(15);
  for (const [file, text] of Object.entries(sources)) {
    expect(text.match(/\b(?:aria-label|label|placeholder|title|alt|hint)="[^"]*\p{L}[^"]*"/gu), file).toBeNull();
  }
});
