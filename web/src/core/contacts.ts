// SPDX-License-Identifier: Apache-2.0

// What the leader does with the contact list for the person. Each command rejects with a CommandError.
import type { Store } from '../store/store';
import type { Stream } from '../stream/stream';
import * as invitation from '../xmpp/invite';
import { address as readAddress, domain } from '../xmpp/jid';
import * as presence from '../xmpp/presence';
import * as roster from '../xmpp/roster';
import type { People } from './people';
import type { Change, ContactCommands } from './tabs';
import { CommandError, type Reason } from './view';

export interface ContactHooks {
  readonly changed: (change: Change) => void;
  readonly query: <T>(special: Readonly<Record<string, Reason>>, run: (stream: Stream) => Promise<T>) => Promise<T>;
}

export class Contacts implements ContactCommands {
  constructor(
    private readonly own: string, // address of the account
    private readonly store: Store,
    private readonly people: People,
    private readonly hooks: ContactHooks,
  ) {}

  async addContact(typed: string, name: string, token: string): Promise<void> {
    const address = readAddress(typed, domain(this.own));
    if (address === '') throw new CommandError('bad-address');
    if (address === this.own) throw new CommandError('own-address');
    await this.hooks.query({ 'bad-request': 'bad-address', 'item-not-found': 'bad-address' }, async (stream) => {
      const known = this.people.get(address);
      await stream.request('set', '', roster.set({ address, name: name.trim(), groups: known?.groups ?? [] }));
      if ((await this.store.requests()).some((r) => r.address === address)) await this.agree(stream, address);
      else if (token !== '') stream.send(presence.subscription('subscribed', address)); // XEP-0379 §3.4: they will ask back
      stream.send(token === '' ? presence.subscription('subscribe', address) : presence.invited(address, token));
    });
  }

  async answer(address: string, accept: boolean): Promise<void> {
    await this.hooks.query({}, async (stream) => {
      if (accept) {
        const s = this.people.get(address)?.subscription;
        await this.agree(stream, address);
        if (s !== 'to' && s !== 'both') stream.send(presence.subscription('subscribe', address));
      } else {
        stream.send(presence.subscription('unsubscribed', address));
        await this.store.deleteRequest(address);
        this.hooks.changed({ requests: true });
      }
    });
  }

  private async agree(stream: Stream, address: string): Promise<void> {
    stream.send(presence.subscription('subscribed', address));
    await this.store.deleteRequest(address);
    this.hooks.changed({ requests: true });
  }

  async rename(address: string, name: string): Promise<void> {
    await this.hooks.query({}, async (stream) => {
      const groups = this.people.get(address)?.groups ?? [];
      await stream.request('set', '', roster.set({ address, name: name.trim(), groups }));
    });
  }

  async remove(address: string): Promise<void> {
    await this.hooks.query({ 'item-not-found': 'bad-address' }, async (stream) => {
      await stream.request('set', '', roster.remove(address));
    });
  }

  async invite(): Promise<{ url: string; qr: string; expires: number }> {
    return this.hooks.query({}, async (stream) => {
      const links = invitation.read(await stream.request('set', domain(this.own), invitation.invite()));
      if (!links) throw new CommandError('server', 'no link in the answer');
      const url = links.landing || links.uri;
      const path = links.landing ? new URL(links.landing).pathname.replace(/\/$/, '') : '';
      return { url, qr: path && `${path}/qr.svg`, expires: links.expires };
    });
  }
}
