// SPDX-License-Identifier: Apache-2.0

// XEP-0085 v2.1: somebody is typing.
import { type Element, elements, x } from '../xml/element';
import { NS_CLIENT } from './ns';

export const NS_CHATSTATES = 'http://jabber.org/protocol/chatstates';

const STATES = ['active', 'composing', 'paused', 'inactive', 'gone'] as const;
export type ChatState = (typeof STATES)[number];

/** A message that carries only the state (§5.2); it is not worth keeping (XEP-0334). */
export function stateMessage(to: string, state: ChatState): Element {
  return x(NS_CLIENT, 'message', { type: 'chat', to }, x(NS_CHATSTATES, state), x('urn:xmpp:hints', 'no-store'));
}

export function stateOf(message: Element): ChatState | undefined {
  const el = elements(message).find((c) => c.ns === NS_CHATSTATES);
  return STATES.find((s) => s === el?.name);
}
