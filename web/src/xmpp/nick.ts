// SPDX-License-Identifier: Apache-2.0

// What people call themselves: XEP-0172 v1.1, published as §4.3 says.
import { type Element, text, x } from '../xml/element';

export const NODE_NICK = 'http://jabber.org/protocol/nick';

const MAX = 100; // characters that are shown

export function nick(name: string): Element {
  return x(NODE_NICK, 'nick', {}, name);
}

/** readNick returns the name in one line, '' for none. */
export function readNick(payload: Element | undefined): string {
  if (payload?.ns !== NODE_NICK || payload.name !== 'nick') return '';
  return [...oneLine(text(payload))].slice(0, MAX).join('');
}

/** What cannot be seen, or turns the direction of the rest, is no part of a name. */
export function oneLine(s: string): string {
  return s.replace(/[\p{Cc}\u200E\u200F\u061C\u202A-\u202E\u2066-\u2069]+/gu, ' ').replace(/\s+/gu, ' ').trim();
}
