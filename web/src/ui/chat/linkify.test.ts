// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { emojiOnly, linkify } from './linkify';

const links = (text: string): (string | undefined)[] => linkify(text).filter((p) => p.href).map((p) => p.href);

describe('linkify', () => {
  test.each([
    ['see https://example.org/a?b=c#d.', ['https://example.org/a?b=c#d']],
    ['(https://en.wikipedia.org/wiki/Kith_(disambiguation))', ['https://en.wikipedia.org/wiki/Kith_(disambiguation)']],
    ['www.example.org, or http://example.net!', ['https://www.example.org/', 'http://example.net/']],
    ['write mailto:ann@example.org or xmpp:ann@example.org', ['mailto:ann@example.org', 'xmpp:ann@example.org']],
    ['“https://example.org/x”', ['https://example.org/x']],
    ['https://example.org/\u202Emoc.knab//:sptth', ['https://example.org/']],
    ['https://example.org\u200B.evil.example', ['https://example.org/']],
    ['https://bücher.example/ö', ['https://xn--bcher-kva.example/%C3%B6']],
  ])('%s', (text, want) => expect(links(text)).toEqual(want));

  test.each([
    'javascript:alert(1)', 'data:text/html,x', 'file:///etc/passwd', 'https://', 'mailto:', 'xmpp:', 'www.', 'ahttp://example.org',
    'JAVASCRIPT:alert(document.domain)//https:', 'ann@example.org', 'vbscript:x',
  ])('no link: %s', (text) => expect(links(text)).toEqual([]));

  test('a long row of brackets costs no time', () => {
    const row = ')'.repeat(250_000); // took minutes where each was counted anew
    expect(linkify(`https://example.org/${row}`).map((p) => p.text)).toEqual(['https://example.org/', row]);
  });

  test('nothing is lost and no other scheme gets through', () => {
    const piece = fc.constantFrom('https://', 'http://', 'www.', 'mailto:', 'xmpp:', 'javascript:', 'a.b', '(', ')', ' ', '.', '@', '\n', '"', '<', 'é', '😀');
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'grapheme' }), fc.array(piece).map((p) => p.join(''))), (text) => {
        const parts = linkify(text);
        expect(parts.map((p) => p.text).join('')).toBe(text);
        for (const p of parts) if (p.href !== undefined) expect(p.href).toMatch(/^(https?:\/\/|mailto:|xmpp:)/i);
      }),
    );
  });
});

describe('emojiOnly', () => {
  test.each(['😀', '👍🏽', '👨‍👩‍👧‍👦 ❤️', '🇩🇪🇫🇷🇯🇵', '1️⃣'])('big: %s', (text) => expect(emojiOnly(text)).toBe(true));
  test.each(['', ' ', '1', '123', '#', 'a😀', '😀😀😀😀', 'ok'])('text: %s', (text) => expect(emojiOnly(text)).toBe(false));
});
