// SPDX-License-Identifier: Apache-2.0

// The one place where messages come in. It returns once the message is on the disk, and only then is it
// acknowledged to the server and to the sender.
import type { Store } from '../store/store';
import { conditionOf, type Stream } from '../stream/stream';
import { child, type Element, elements } from '../xml/element';
import { bare, domain } from '../xmpp/jid';
import { type Incoming, read } from '../xmpp/message';
import { NS_CLIENT } from '../xmpp/ns';
import { fileOf, type SharedFile } from '../xmpp/oob';
import { receipt } from '../xmpp/receipts';
import type { Outbox } from './outbox';
import type { People } from './people';
import { failureOf } from './reasons';
import type { Change } from './tabs';

// Without an origin-id, the stanza's id tells copies apart if it looks random; some programs count 1, 2, 3 anew each day.
const RANDOM_ID = 16; // characters

export interface IngestHooks {
  readonly now: () => number;
  /** Whether the person looks at this chat now. */
  readonly seen: (chat: string) => boolean;
  readonly changed: (change: Change) => void;
  /** A new message that nobody has seen. */
  readonly arrived: (chat: string, body: string, file: boolean) => void;
}

export class Ingest {
  constructor(
    private readonly store: Store,
    private readonly outbox: Outbox,
    private readonly people: People,
    private readonly hooks: IngestHooks,
  ) {}

  async message(stream: Stream, el: Element): Promise<void> {
    const m = read(el, stream.bare);
    const from = bare(m.from);
    if (m.type === 'error') {
      // An error of our own server's may come from its domain.
      const who = from === stream.bare || from === domain(stream.bare) ? '' : from;
      return this.outbox.failed(m.id, failureOf(conditionOf(el), isBlocked(el)), who);
    }
    if (m.type === 'groupchat' || m.type === 'headline') return; // there are no groups yet
    if (m.receiptFor !== '') await this.outbox.settle(m.receiptFor, 'delivered', from);
    if (m.state) this.people.typing(from, m.state === 'composing');
    if (!m.body && !m.encrypted) return;
    this.people.typing(from, false);
    await this.keep(stream, m, from, fileOf(el));
    if (m.wantsReceipt && from !== stream.bare && this.people.isFriend(from)) stream.send(receipt(m.from, m.id));
  }

  private async keep(stream: Stream, m: Incoming, from: string, file: { readonly file?: SharedFile }): Promise<void> {
    const now = this.hooks.now();
    const mine = from === stream.bare; // from another device of ours, to ourselves
    const seen = mine || this.hooks.seen(from);
    const originId = m.originId || (m.id.length >= RANDOM_ID ? m.id : '');
    const added = await this.store.addIncoming({
      key: crypto.randomUUID(),
      chat: from,
      from,
      mine,
      time: Math.min(m.stamp ?? now, now),
      body: m.body ?? '',
      ...(m.encrypted ? {} : file),
      ...(mine ? { state: 'acked' as const } : {}),
      ...(m.stamp === undefined ? {} : { delayed: true }),
      ...(m.encrypted ? { unreadable: 'encrypted' as const } : {}),
      ...(m.stanzaId === '' ? {} : { stanzaId: m.stanzaId }),
      ...(originId === '' ? {} : { originId }),
      ...(seen ? {} : { unread: 1 as const }),
    });
    if (!added) return;
    this.hooks.changed({ chat: from });
    if (!seen) this.hooks.arrived(from, m.body ?? '', file.file !== undefined);
  }
}

function isBlocked(el: Element): boolean {
  const error = elements(el).find((c) => c.ns === NS_CLIENT && c.name === 'error');
  return error !== undefined && child(error, 'urn:xmpp:blocking:errors', 'blocked') !== undefined;
}
