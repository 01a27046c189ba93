// SPDX-License-Identifier: Apache-2.0
// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { FakeApp } from './testing/fake';
import { show, type Screen } from './testing/screen';
import { world } from './testing/scene';

const still = { delay: 0, now: new Date(2026, 2, 4, 12).getTime() } as const;
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
  vi.useRealTimers();
});

describe('logging in', () => {
  test('a name alone belongs to this server', async () => {
    const app = new FakeApp({ ...still, session: { kind: 'out' } });
    const s = await open(app);
    await s.type('input[name=username]', ' robin ');
    await s.type('input[name=password]', 'secret');
    await s.submit();
    expect(app.calls).toContain('logIn robin@example.org');
    expect(s.text()).toContain('No chats yet');
  });

  test.each([
    ['', '', 'Please write your address.'],
    ['robin', '', 'Please write your password.'],
    ['robin', 'wrong', 'The address or the password is not right.'],
    ['robin@elsewhere.example', 'x', 'This server does not keep accounts of that address.'],
  ])('“%s” “%s”: %s', async (address, password, want) => {
    const s = await open(new FakeApp({ ...still, session: { kind: 'out' } }));
    await s.type('input[name=username]', address);
    await s.type('input[name=password]', password);
    await s.submit();
    expect(s.text()).toContain(want);
    expect(s.find('[role=alert]').textContent).toContain(want);
    expect(document.activeElement?.getAttribute('aria-invalid')).toBe('true');
  });

  test('after a wrong password and the right one nothing is left of the sentence', async () => {
    const s = await open(new FakeApp({ ...still, session: { kind: 'out' } }));
    await s.type('input[name=username]', 'robin');
    await s.type('input[name=password]', 'wrong');
    await s.submit();
    await s.type('input[name=password]', 'secret');
    await s.submit();
    expect(s.text()).toContain('No chats yet');
    expect(s.find('[role=alert]').textContent).toBe('');
  });

  test('can be cancelled, and then says nothing more', async () => {
    vi.useFakeTimers();
    const app = new FakeApp({ session: { kind: 'out' } });
    const s = await open(app);
    await s.type('input[name=username]', 'robin');
    await s.type('input[name=password]', 'wrong');
    await s.submit();
    expect(s.text()).toContain('Logging in');
    await s.click('button', 'Cancel');
    await s.act(() => void vi.advanceTimersByTime(5000));
    expect(s.text()).not.toContain('Logging in');
    expect(s.find('[role=alert]').textContent).toBe('');
    expect(s.find('button', 'Log in')).toBeDefined();
  });

  test('says why one was logged out and knows the address', async () => {
    const s = await open(new FakeApp({ session: { kind: 'out', reason: 'password-changed', address: 'robin@example.org' } }));
    expect(s.text()).toContain('The password of this account was changed.');
    expect(s.find<HTMLInputElement>('input[name=username]').value).toBe('robin@example.org');
    expect(document.activeElement?.getAttribute('name')).toBe('password');
  });

  test('the password can be shown', async () => {
    const s = await open(new FakeApp({ session: { kind: 'out' } }));
    await s.type('input[name=password]', 'secret');
    await s.click('button', 'Show the password');
    expect(s.find<HTMLInputElement>('input[name=password]').type).toBe('text');
    expect(s.find<HTMLInputElement>('input[name=password]').value).toBe('secret');
  });
});

describe('the list', () => {
  test('shows what there is and counts it in the title', async () => {
    const s = await open(world(still));
    expect(s.all('.row').length).toBe(8);
    expect(s.find('.row', 'Ann Okafor').textContent).toContain('2 unread messages');
    expect(s.find('.row', 'Ben').textContent).toContain('is typing');
    expect(document.title).toBe('(4) Kith');
  });

  test('finds by name', async () => {
    const s = await open(world(still));
    await s.type('[data-search]', 'jürgen');
    expect(s.all('.row').length).toBe(1);
    await s.type('[data-search]', 'nobody');
    expect(s.text()).toContain('No chat is called “nobody”.');
  });

  test('arrow keys walk through it, Ctrl-K finds', async () => {
    const s = await open(world(still));
    s.find('.row', 'Ann').focus();
    await s.key('.pane-list ul', 'ArrowDown');
    expect(document.activeElement?.textContent).toContain('Ben');
    await s.key('.pane-list ul', 'End');
    expect(document.activeElement?.textContent).toContain('Jürgen');
    await s.key('.pane-list ul', 'Home');
    await s.key('.pane-list ul', 'ArrowUp');
    expect(document.activeElement?.hasAttribute('data-search')).toBe(true);
  });

  test('a request is accepted and the chat opens', async () => {
    const app = world(still);
    const s = await open(app);
    await s.click('button', 'Accept tomasz');
    expect(app.calls).toContain('answer tomasz@example.pl true');
    expect(location.pathname).toBe('/c/tomasz@example.pl');
    expect(s.all('.request')).toEqual([]);
  });

  test('a request that cannot be answered says so and stays', async () => {
    const app = world(still);
    app.fail.set('answer', 'offline');
    const s = await open(app);
    await s.click('button', 'Decline tomasz');
    expect(s.find('.request').textContent).toContain('There is no connection.');
  });

  test('without chats it invites', async () => {
    const app = new FakeApp(still);
    const s = await open(app);
    await s.click('button', 'Invite a friend');
    expect(s.find<HTMLInputElement>('dialog input').value).toMatch(/^https:.*\/invite\//u);
    expect(s.find('dialog').textContent).toContain('It works once, until');
  });
});

describe('a chat', () => {
  const ann = '/c/ann@example.org';

  test('Enter sends, Shift and Enter do not', async () => {
    const app = world(still);
    const s = await open(app, ann);
    await s.type('textarea', 'Hello');
    await s.key('textarea', 'Enter', { shiftKey: true });
    expect(app.calls.filter((c) => c.startsWith('send'))).toEqual([]);
    await s.key('textarea', 'Enter');
    expect(app.calls).toContain('send ann@example.org Hello');
    expect(s.find<HTMLTextAreaElement>('textarea').value).toBe('');
    expect(s.all('.message.mine').at(-1)?.textContent).toContain('Waiting to be sent');
  });

  test('while a word is put together Enter is no end', async () => {
    const app = world(still);
    const s = await open(app, ann);
    await s.type('textarea', 'にほん');
    await s.key('textarea', 'Enter', { isComposing: true });
    expect(app.calls.filter((c) => c.startsWith('send'))).toEqual([]);
  });

  test('typing is told once, and its end', async () => {
    const app = world(still);
    const s = await open(app, ann);
    await s.type('textarea', 'H');
    await s.type('textarea', 'Ho');
    await s.type('textarea', '');
    expect(app.calls.filter((c) => c.startsWith('typing'))).toEqual(['typing ann@example.org true', 'typing ann@example.org false']);
  });

  test('is looked at only after it was opened, and no more when it is left', async () => {
    const app = world(still);
    const s = await open(app, ann);
    expect(s.find('.line').textContent).toBe('Unread messages');
    expect(app.calls.slice(0, 2)).toEqual(['timeline ann@example.org', 'look ann@example.org']);
    await s.click('.pane-list a', 'Settings');
    expect(app.calls.slice(-2).sort()).toEqual(['close ann@example.org', 'look ']);
    expect(document.title).toBe('(2) Settings · Kith');
  });

  test('a draft stays', async () => {
    const s = await open(world(still), ann);
    await s.type('textarea', 'Not yet');
    await s.click('.pane-list a', 'Ben');
    expect(s.find<HTMLTextAreaElement>('textarea').value).toBe('');
    expect(s.find('.row', 'Ann').textContent).toContain('Draft: Not yet');
    await s.click('.pane-list a', 'Ann');
    expect(s.find<HTMLTextAreaElement>('textarea').value).toBe('Not yet');
  });

  test('what could not be kept is not lost', async () => {
    const app = world(still);
    app.fail.set('send', 'server');
    const s = await open(app, ann);
    await s.type('textarea', 'Precious');
    await s.submit('.composer form');
    expect(s.find<HTMLTextAreaElement>('textarea').value).toBe('Precious');
    expect(s.find('.composer .wrong').textContent).toContain('Something went wrong on the server.');
  });

  test('a failed message says why and can be sent again or deleted', async () => {
    const app = world(still);
    const s = await open(app, '/c/capek@example.cz');
    expect(s.find('.failure').textContent).toContain('The server of Zdeněk Čapek cannot be reached.');
    await s.click('.failure button', 'Send again');
    expect(s.all('.failure')).toEqual([]);
    expect(app.calls.at(-1)).toMatch(/^resend m\d+$/u);
  });

  test('each state has its words', async () => {
    const app = world(still);
    const s = await open(app, ann);
    let key = '';
    await s.act(() => void (key = app.put('ann@example.org', 'x', { mine: true, state: 'queued' })));
    for (const [state, words] of [['queued', 'Waiting to be sent'], ['acked', 'Sent'], ['delivered', 'Delivered'], ['failed', 'Not sent']] as const) {
      await s.act(() => app.state(key, state));
      expect(s.all('.message.mine').at(-1)?.querySelector('.ticks')?.textContent).toBe(words);
    }
  });

  test('what comes in is read out', async () => {
    const app = world(still);
    const s = await open(app, ann);
    await s.act(() => void app.put('ann@example.org', 'Are you there?'));
    expect(s.all('[role=status]').map((e) => e.textContent)).toContain('Ann Okafor: Are you there?');
  });

  test('nothing that is written becomes markup, and dangerous links stay text', async () => {
    const app = world(still);
    const s = await open(app, ann);
    await s.act(() => void app.put('ann@example.org', '<img src=x onerror=alert(1)> javascript:alert(1) https://example.org/a'));
    const last = s.all('.bubble').at(-1);
    expect(last?.querySelector('img')).toBeNull();
    expect([...(last?.querySelectorAll('a') ?? [])].map((a) => [a.href, a.rel])).toEqual([['https://example.org/a', 'noopener noreferrer']]);
  });

  test('a stranger can be added', async () => {
    const app = world(still);
    const s = await open(app, '/c/stranger@example.com');
    await s.click('button', 'Add');
    expect(app.calls).toContain('addContact stranger@example.com ');
    expect(s.all('.stranger')).toEqual([]);
  });

  test('Escape goes back to the chats', async () => {
    const s = await open(world(still), ann);
    await s.act(() => void window.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape' })));
    expect(location.pathname).toBe('/');
  });
});

describe('people', () => {
  test('somebody is added by address', async () => {
    const app = world(still);
    const s = await open(app, '/new');
    await s.click('button', 'Add a contact');
    await s.type('dialog .field:first-of-type input', 'no address');
    await s.submit('dialog form');
    expect(s.find('dialog').textContent).toContain('That does not look like an address.');
    await s.type('dialog .field:first-of-type input', 'sam');
    await s.submit('dialog form');
    expect(app.calls).toContain('addContact sam@example.org ');
    expect(location.pathname).toBe('/c/sam@example.org');
  });

  test('a contact is renamed', async () => {
    const app = world(still);
    const s = await open(app, '/contact/ann@example.org');
    await s.click('button', 'Change the name');
    await s.type('dialog input', 'Annie');
    await s.submit('dialog form');
    expect(s.find('.called').textContent).toBe('Annie');
  });

  test('a contact is removed after a question', async () => {
    const app = world(still);
    const s = await open(app, '/contact/ann@example.org');
    await s.click('button', 'Remove from contacts');
    expect(app.calls).not.toContain('remove ann@example.org');
    expect(s.find('dialog').textContent).toContain('Remove Ann Okafor?');
    await s.click('dialog .danger');
    expect(app.calls).toContain('remove ann@example.org');
    expect(s.text()).toContain('Not one of your contacts.');
  });
});

describe('somebody who came by an invitation and has an account', () => {
  const at = '/#contact=sam%40example.com';

  test('is asked whether to add who invited', async () => {
    const app = world(still);
    const s = await open(app, at);
    expect(s.find('dialog').textContent).toContain('You came by an invitation of sam@example.com.');
    expect(app.calls.filter((c) => c.startsWith('addContact'))).toEqual([]);
    await s.click('dialog .main');
    expect(app.calls).toContain('addContact sam@example.com ');
    expect(location.pathname + location.hash).toBe('/c/sam@example.com');
    expect(s.all('dialog')).toEqual([]);
  });

  test('takes the invitation along', async () => {
    const app = world(still);
    const s = await open(app, at + '&token=A-b_1');
    expect(s.find('dialog').textContent).toContain('right away');
    await s.click('dialog .main');
    expect(app.calls).toContain('addContact sam@example.com  A-b_1');
  });

  test('may say no', async () => {
    const app = world(still);
    const s = await open(app, at);
    await s.click('dialog button', 'Not now');
    expect(app.calls.filter((c) => c.startsWith('addContact'))).toEqual([]);
    expect(location.pathname + location.hash).toBe('/');
    expect(s.all('dialog')).toEqual([]);
  });

  test('is asked after the log-in', async () => {
    const app = new FakeApp({ ...still, session: { kind: 'out' } });
    const s = await open(app, at);
    expect(s.all('dialog')).toEqual([]);
    await s.type('input[name=username]', 'robin');
    await s.type('input[name=password]', 'secret');
    await s.submit();
    expect(s.find('dialog').textContent).toContain('Add sam?');
  });

  test('comes into the chat where they know each other already', async () => {
    const app = world(still);
    const s = await open(app, '/#contact=ann%40example.org');
    expect(s.all('dialog')).toEqual([]);
    expect(location.pathname + location.hash).toBe('/c/ann@example.org');
  });

  test('hears why it did not work', async () => {
    const app = world(still);
    app.fail.set('addContact', 'offline');
    const s = await open(app, at);
    await s.click('dialog .main');
    expect(s.find('dialog').textContent).toContain('There is no connection.');
  });
});

describe('settings', () => {
  test('the password is changed', async () => {
    const app = world(still);
    const s = await open(app, '/settings');
    await s.click('button', 'Change the password');
    const now = 'dialog input[autocomplete=current-password]';
    const next = 'dialog input[autocomplete=new-password]';
    await s.type(now, 'wrong');
    await s.type(next, 'short');
    await s.submit('dialog form');
    expect(s.find('dialog').textContent).toContain('This is not your password.');
    expect(document.activeElement).toBe(s.find(now));
    await s.type(now, 'right');
    await s.submit('dialog form');
    expect(s.find('dialog').textContent).toContain('too easy to guess');
    expect(document.activeElement).toBe(s.find(next));
    await s.type(next, 'correct horse battery staple');
    expect(s.find('dialog').textContent).toContain('How strong: good');
    await s.submit('dialog form');
    expect(app.calls).toContain('changePassword right correct horse battery staple');
    expect(s.find('dialog').textContent).toContain('Your password has been changed.');
  });

  test('logging out says what goes, and forgets the drafts', async () => {
    const app = world(still);
    const s = await open(app, '/c/ann@example.org');
    await s.type('textarea', 'A secret draft');
    expect(localStorage.getItem('kith.drafts')).toContain('A secret draft');
    await s.click('.pane-list a', 'Settings');
    await s.click('.item', 'Log out');
    expect(s.find('dialog').textContent).toContain('Your contacts and messages are taken off this device.');
    await s.click('dialog .danger');
    expect(app.calls).toContain('logOut');
    expect(localStorage.getItem('kith.drafts')).toBeNull();
    expect(s.text()).toContain('Welcome to Kith');
    expect(location.pathname).toBe('/');
  });

  test.each(['signed-out', 'password-changed', undefined] as const)('no draft stays when the session ends: %s', async (reason) => {
    const app = world(still);
    const s = await open(app, '/c/ann@example.org');
    await s.type('textarea', 'A secret draft');
    await s.act(() => void (app.session.value = { kind: 'out', ...(reason === undefined ? {} : { reason }) }));
    expect(localStorage.getItem('kith.drafts')).toBeNull();
  });

  test('a theme is chosen and kept', async () => {
    const s = await open(world(still), '/settings');
    await s.click('input[value=dark]');
    expect(document.documentElement.dataset['theme']).toBe('dark');
    expect(localStorage.getItem('kith.theme')).toBe('dark');
    await s.click('input[value=system]');
    expect(document.documentElement.dataset['theme']).toBe('light');
  });
});

test('no word of a short gap in the connection, one quiet line after five seconds', async () => {
  vi.useFakeTimers();
  const app = world(still);
  const s = await open(app);
  await s.act(() => void (app.connection.value = 'waiting'));
  await s.act(() => void vi.advanceTimersByTime(4900));
  expect(s.all('.banner')).toEqual([]);
  await s.act(() => void vi.advanceTimersByTime(200));
  expect(s.find('.banner').textContent).toContain('No connection.');
  await s.click('.banner button');
  expect(app.calls).toContain('reconnect');
  await s.act(() => void (app.connection.value = 'online'));
  expect(s.all('.banner')).toEqual([]);
});
