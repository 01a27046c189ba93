// SPDX-License-Identifier: Apache-2.0

// The devices that are signed in to the account (XEP-0494).
import { StanzaError } from '../stream/stream';
import * as clients from '../xmpp/clients';
import type { RoomCommands } from './commands';
import type { Surroundings } from './surroundings';
import { CommandError, type DeviceInfo } from './view';

export class DevicesRoom implements Pick<RoomCommands, 'devices' | 'signOut'> {
  constructor(private readonly at: Surroundings) {}

  /** This device first, then by when they were there last. */
  async devices(): Promise<readonly DeviceInfo[]> {
    const list = await this.at.query({}, (stream) => stream.request('get', '', clients.list()));
    return clients
      .readList(list)
      .toSorted((a, b) => Number(b.here) - Number(a.here) || Number(b.connected) - Number(a.connected) || b.lastSeen - a.lastSeen);
  }

  /** Signs them out one after the other; what was done stays done where one cannot be. */
  async signOut(ids: readonly string[]): Promise<void> {
    await this.at.query({}, async (stream) => {
      let failed: unknown;
      for (const id of ids) {
        try {
          await stream.request('set', '', clients.revoke(id));
        } catch (e) {
          if (!(e instanceof StanzaError)) throw e;
          if (clients.needsPassword(e.stanza)) failed = new CommandError('password-needed'); // XEP-0494 §3.2
          else if (e.condition !== 'item-not-found') failed ??= e; // else it was signed out meanwhile
        }
      }
      if (failed !== undefined) throw failed;
    });
  }
}
