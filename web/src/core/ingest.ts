// SPDX-License-Identifier: Apache-2.0

// The one place where messages come in: live, as copies of what other devices get and send, and from the archive.
// message() returns once the message is on the disk, and only then is it acknowledged to the server and to the sender.
import type { NewMessage, Store } from '../store/store';
import type { SessionRecord } from '../store/schema';
import { conditionOf, type Stream } from '../stream/stream';
import { child, type Element, elements } from '../xml/element';
import { copyIn } from '../xmpp/carbons';
import { bare, domain } from '../xmpp/jid';
import { displayed } from '../xmpp/mds';
import { type Incoming, read } from '../xmpp/message';
import { NS_CLIENT } from '../xmpp/ns';
import { fileOf } from '../xmpp/oob';
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
  /** How far the session is once this stanza is dealt with; it is written down with the message. */
  readonly session: () => Partial<SessionRecord> | undefined;
  /** A message was read here as it came. */
  readonly read: () => void;
  /** Our server tells the other devices what was read, if that goes with a message (XEP-0490 §4.5). */
  readonly assists: () => boolean;
}

export class Ingest {
  constructor(
    private readonly store: Store,
    private readonly outbox: Outbox,
    private readonly people: People,
    private readonly hooks: IngestHooks,
  ) {}

  async message(stream: Stream, el: Element): Promise<void> {
    const copy = copyIn(el, stream.bare);
    const m = read(copy?.message ?? el, stream.bare);
    const from = bare(m.from);
    if (copy && copy.sent !== (from === stream.bare)) return; // a copy of what we sent is from us, and no other
    if (m.type === 'error') {
      if (copy) return; // it is for the device that sent the message
      // An error of our own server's may come from its domain.
      const who = from === stream.bare || from === domain(stream.bare) ? '' : from;
      return this.outbox.failed(m.id, failureOf(conditionOf(el), isBlocked(el)), who);
    }
    if (m.type === 'groupchat' || m.type === 'headline') return; // there are no groups yet
    if (m.receiptFor !== '') await this.outbox.settle(m.receiptFor, 'delivered', from);
    const mine = from === stream.bare;
    if (m.state && !mine) this.people.typing(from, m.state === 'composing');
    const record = recordOf(copy?.message ?? el, m, stream.bare, this.hooks.now());
    if (!record) return;
    if (!mine) this.people.typing(from, false);
    const wasRead = await this.keep(record);
    // XEP-0280 §10.4: the device that got it answers.
    if (copy || mine || !m.wantsReceipt || !this.people.isFriend(from)) return;
    if (wasRead && record.stanzaId !== undefined && this.hooks.assists()) this.receiptAndMarker(stream, from, m.id, record.stanzaId);
    else stream.send(receipt(m.from, m.id));
  }

  /** XEP-0490 §5.1: to the bare address, which names the chat. */
  private receiptAndMarker(stream: Stream, chat: string, id: string, stanzaId: string): void {
    stream.send(receipt(chat, id, displayed(stream.bare, stanzaId)), () => void this.store.told(chat, stanzaId).catch(() => {}));
  }

  /** Returns whether it is new, and was read as it came. */
  private async keep(m: NewMessage): Promise<boolean> {
    const seen = m.mine || this.hooks.seen(m.chat);
    const added = await this.store.addIncoming(seen ? m : { ...m, unread: 1 }, this.hooks.session());
    if (!added) return false;
    this.hooks.changed({ chat: m.chat });
    if (!seen) this.hooks.arrived(m.chat, m.body, m.file !== undefined);
    else if (!m.mine) this.hooks.read();
    return seen && !m.mine;
  }
}

/** What is kept of a message; undefined where there is nothing to keep. now: the latest that it can be from. */
export function recordOf(el: Element, m: Incoming, own: string, now: number): NewMessage | undefined {
  if (m.type === 'groupchat' || m.type === 'headline' || m.type === 'error') return undefined;
  if (!m.body && !m.encrypted) return undefined;
  const from = bare(m.from);
  const mine = from === own; // from another device of ours
  const originId = m.originId || (m.id.length >= RANDOM_ID ? m.id : '');
  return {
    key: crypto.randomUUID(),
    chat: mine ? bare(m.to) : from,
    from,
    mine,
    time: Math.min(m.stamp ?? now, now),
    body: m.body ?? '',
    ...(m.encrypted ? {} : fileOf(el)),
    ...(mine ? { state: 'acked' as const } : {}),
    ...(m.encrypted ? { unreadable: 'encrypted' as const } : {}),
    ...(m.stanzaId === '' ? {} : { stanzaId: m.stanzaId }),
    ...(originId === '' ? {} : { originId }),
  };
}

function isBlocked(el: Element): boolean {
  const error = elements(el).find((c) => c.ns === NS_CLIENT && c.name === 'error');
  return error !== undefined && child(error, 'urn:xmpp:blocking:errors', 'blocked') !== undefined;
}
