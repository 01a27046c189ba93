// SPDX-License-Identifier: Apache-2.0

// One-to-one messages (RFC 6121 §5), taken apart into what the app keeps.
import { attr, childText, type Element, x } from '../xml/element';
import { type ChatState, NS_CHATSTATES, stateOf } from './chatstates';
import { stampOf } from './delay';
import { isEncrypted } from './encrypted';
import { NS_CLIENT } from './ns';
import { receivedOf, request, wantsReceipt } from './receipts';
import { idBy, originId, originOf } from './stanzaid';

export interface Incoming {
  readonly from: string; // full address
  readonly to: string; // as it stands there
  readonly type: 'chat' | 'normal' | 'groupchat' | 'headline' | 'error';
  readonly id: string; // the stanza's own, '' for none
  readonly originId: string; // '' for none (XEP-0359 §2.2)
  readonly stanzaId: string; // by our server, '' for none
  readonly body: string | undefined;
  readonly encrypted: boolean; // meant for others' devices: no text of its own
  readonly stamp: number | undefined; // ms since 1970, where it was delayed
  readonly wantsReceipt: boolean;
  readonly receiptFor: string; // id of a message of ours, '' for none
  readonly state: ChatState | undefined;
}

const TYPES = ['chat', 'groupchat', 'headline', 'error'] as const;

/** read takes a message apart; own is our bare address: ids and delays count only where our server set them. */
export function read(el: Element, own: string): Incoming {
  const type = attr(el, 'type');
  const body = childText(el, NS_CLIENT, 'body');
  const encrypted = isEncrypted(el);
  return {
    from: attr(el, 'from') || own,
    to: attr(el, 'to') || own,
    type: TYPES.find((t) => t === type) ?? 'normal',
    id: attr(el, 'id'),
    originId: originOf(el),
    stanzaId: idBy(el, own),
    body: encrypted ? '' : body,
    encrypted,
    stamp: stampOf(el, own),
    wantsReceipt: wantsReceipt(el),
    receiptFor: receivedOf(el),
    state: stateOf(el),
  };
}

/** A message with a text, asking for a receipt. friend: whether to tell that we are there (XEP-0085). */
export function chat(to: string, id: string, body: string, friend: boolean): Element {
  return x(
    NS_CLIENT,
    'message',
    { type: 'chat', to, id },
    x(NS_CLIENT, 'body', {}, body),
    originId(id),
    request(),
    friend && x(NS_CHATSTATES, 'active'),
  );
}
