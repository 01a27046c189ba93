// SPDX-License-Identifier: Apache-2.0

import { beforeEach, describe, expect, it, vi } from 'vitest';
import { takeCode } from './boot';
import { deviceName } from './browser';

describe('the code of a sign-up', () => {
  const at = (hash: string): [ReturnType<typeof takeCode>, unknown[]] => {
    const replaceState = vi.fn();
    const code = takeCode({ hash, pathname: '/', search: '' }, { replaceState }, jar);
    return [code, replaceState.mock.calls];
  };
  let jar = { cookie: '' };
  beforeEach(() => void (jar = { cookie: 'other=1; kith_arrival=M-a_2' }));

  it('is taken out of the address', () => {
    expect(at('#login=juliet%40kith.example&code=A-b_1&arrival=M-a_2')).toEqual([{ address: 'juliet@kith.example', code: 'A-b_1' }, [[null, '', '/']]]);
    expect(jar.cookie).toBe('kith_arrival=; path=/; max-age=0; samesite=strict');
    expect(at('#code=x')).toEqual([undefined, [[null, '', '/']]]);
    expect(at('#elsewhere')).toEqual([undefined, []]);
    expect(at('')).toEqual([undefined, []]);
  });

  it.each([
    ['without a mark', '', 'kith_arrival=M'],
    ['with an empty one', '&arrival=', 'kith_arrival='],
    ['with that of another browser', '&arrival=M', ''],
    ['with a part of one', '&arrival=M', 'kith_arrival=MM'],
    ['with that of another cookie', '&arrival=M', 'x_kith_arrival=M'],
  ])('does not count %s', (_what, arrival, cookie) => {
    jar.cookie = cookie;
    expect(at('#login=juliet%40kith.example&code=A' + arrival)).toEqual([undefined, [[null, '', '/']]]);
    expect(jar.cookie).toBe(cookie);
  });
});

describe('the name of a device', () => {
  it.each([
    ['Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0', 'Firefox, Linux'],
    ['Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Mobile Safari/537.36', 'Chrome, Android'],
    ['Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1', 'Safari, iOS'],
    ['Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36 Edg/156.0.0.0', 'Edge, Windows'],
    ['something else', 'Browser'],
  ])('of %s is %s', (ua, name) => {
    expect(deviceName(ua)).toBe(name);
  });
});
