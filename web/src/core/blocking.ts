// SPDX-License-Identifier: Apache-2.0

// People whom one does not want to hear (XEP-0191). The server keeps the list and does the work; we show it.
import type { Stream } from '../stream/stream';
import { attr, type Element } from '../xml/element';
import { result } from '../xmpp/answers';
import * as blocking from '../xmpp/blocking';
import { bare } from '../xmpp/jid';
import type { RoomCommands } from './commands';
import type { Surroundings } from './surroundings';
import type { ReportReason } from './view';

const SHOWN = 5; // messages that go with a report

export class BlockingRoom implements Pick<RoomCommands, 'block' | 'unblock'> {
  private blocked: ReadonlySet<string> = new Set();

  constructor(private readonly at: Surroundings) {}

  /** XEP-0191 §3.2: who asked for the list is told of changes. */
  async arrived(stream: Stream): Promise<void> {
    const list = blocking.readList(await stream.request('get', '', blocking.list()));
    if (list) await this.put(new Set(list));
  }

  /** A change by another device of ours, or by this one. false: it is about something else. */
  async push(stream: Stream, iq: Element): Promise<boolean> {
    const change = attr(iq, 'type') === 'set' ? blocking.pushed(iq) : undefined;
    const from = attr(iq, 'from');
    if (!change || (from !== '' && bare(from) !== stream.bare)) return false;
    const these = new Set(change.addresses);
    if (change.kind === 'block') await this.put(new Set([...this.blocked, ...these]));
    else await this.put(these.size === 0 ? these : new Set([...this.blocked].filter((a) => !these.has(a)))); // XEP-0191 §3.5
    stream.send(result(iq));
    return true;
  }

  private async put(addresses: ReadonlySet<string>): Promise<void> {
    this.blocked = addresses;
    await this.at.store.keep('blocked', [...addresses].toSorted());
    this.at.changed({ kept: true });
  }

  async block(address: string, reason: ReportReason): Promise<void> {
    await this.at.query({}, async (stream) => {
      await stream.request('set', '', blocking.block(address, reason === '' ? undefined : await this.report(address, reason)));
      await this.at.store.deleteRequest(address);
      this.at.changed({ requests: true });
      await this.put(new Set(this.blocked).add(address));
    });
  }

  async unblock(address: string): Promise<void> {
    await this.at.query({ 'item-not-found': 'bad-address' }, async (stream) => {
      await stream.request('set', '', blocking.unblock(address));
      await this.put(new Set([...this.blocked].filter((a) => a !== address)));
    });
  }

  /** XEP-0377 §6: with the newest of what they wrote, by the ids of our archive. */
  private async report(address: string, reason: 'spam' | 'abuse'): Promise<blocking.Report> {
    const newest = await this.at.store.before(address, '', 50);
    const ids = newest.flatMap((m) => (m.mine || m.stanzaId === undefined ? [] : [m.stanzaId])).slice(-SHOWN);
    return { reason, ids, by: this.at.address };
  }
}
