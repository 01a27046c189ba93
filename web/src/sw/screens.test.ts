// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import { path } from '../ui/route';
import { isScreen } from './screens';

test.each(['/', '/c/ann@example.org', '/contact/a%2Fb@example.org', '/new', '/settings'])('the app has %s', (p) => expect(isScreen(p)).toBe(true));
test.each(['/invite/abc', '/admin/', '/app.json', '/newer', '/settingsx', '/assets/index.js', '/qr/x.svg', ''])('the server has %s', (p) => expect(isScreen(p)).toBe(false));
test('every route is a screen', () => {
  for (const at of ['chats', 'new', 'settings'] as const) expect(isScreen(path({ at }))).toBe(true);
  for (const at of ['chat', 'contact'] as const) expect(isScreen(path({ at, address: 'a/b?c#d@example.org' }))).toBe(true);
});
