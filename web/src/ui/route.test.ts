// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from 'vitest';
import { parse, path, type Route } from './route';

describe('routes', () => {
  test.each<[string, Route]>([
    ['/', { at: 'chats' }],
    ['/c/ann@example.org', { at: 'chat', address: 'ann@example.org' }],
    ['/c/a%2Fb%3F@example.org', { at: 'chat', address: 'a/b?@example.org' }],
    ['/contact/j%C3%BCrgen@example.org', { at: 'contact', address: 'jürgen@example.org' }],
    ['/new', { at: 'new' }],
    ['/settings', { at: 'settings' }],
    ['/settings/profile', { at: 'settings', page: 'profile' }],
  ])('%s', (url, want) => {
    expect(parse(url)).toEqual(want);
    expect(parse(path(want))).toEqual(want);
  });

  test.each(['', '/c/', '/c', '/nowhere', '/c/%E0%A4%A', '/settings/x/y'])('unknown: %s', (url) => {
    expect(parse(url)).toEqual({ at: 'chats' });
  });
});
