// SPDX-License-Identifier: Apache-2.0

// Being told of messages while the app is closed (doc/push.md). The browser's subscription and the server's
// registration are held together: at each start, and when the browser changes the subscription by itself.
import { StanzaError, type Stream } from '../stream/stream';
import * as clients from '../xmpp/clients';
import * as push from '../xmpp/push';
import type { Endpoint, RoomCommands } from './commands';
import type { Surroundings } from './surroundings';
import type { PushDevice } from './view';

const LEAVE = 3_000; // ms to tell the server when the person signs out

export class PushRoom implements Pick<RoomCommands, 'pushKey' | 'pushEnable' | 'pushDisable' | 'pushDevices' | 'testPush'> {
  private unlisten: (() => void) | undefined;
  private wanted: boolean | undefined;

  constructor(private readonly at: Surroundings) {}

  async load(): Promise<void> {
    this.wanted = await this.at.store.kept('push');
  }

  /** Whether the person does not want to be told of anything on this device. */
  get silent(): boolean {
    return this.wanted === false;
  }

  async arrived(stream: Stream): Promise<void> {
    this.unlisten ??= this.at.env.push.onChange(() => void this.renew().catch(() => {}));
    this.wanted = await this.at.store.kept('push');
    if (this.wanted && this.at.env.notifications.state() === 'on') await this.register(stream);
  }

  stop(): void {
    this.unlisten?.();
  }

  private async renew(): Promise<void> {
    if (this.wanted) await this.at.query({}, (stream) => this.register(stream));
  }

  /** Costs one row at the server, and mends what got lost on either side. */
  private async register(stream: Stream): Promise<void> {
    const { key } = await this.registrations(stream);
    if (key === '') return;
    const { env } = this.at;
    const old = await env.push.current();
    const to = old && (old.key === '' || old.key === key) ? old : await env.push.subscribe(key);
    await stream.request('set', '', push.enable(to));
  }

  private async registrations(stream: Stream): Promise<push.Registrations> {
    try {
      return push.readRegistrations(await stream.request('get', '', push.askRegistrations())) ?? { key: '', all: [] };
    } catch (e) {
      if (e instanceof StanzaError) return { key: '', all: [] }; // this server does not push
      throw e;
    }
  }

  async pushKey(): Promise<string> {
    return (await this.at.query({}, (stream) => this.registrations(stream))).key;
  }

  async pushEnable(to: Endpoint): Promise<void> {
    await this.at.query({ 'not-acceptable': 'push' }, (stream) => stream.request('set', '', push.enable(to)));
    await this.want(true);
  }

  async pushDisable(): Promise<void> {
    await this.want(false);
    await this.at.query({}, (stream) => stream.request('set', '', push.disable()));
  }

  private async want(wanted: boolean): Promise<void> {
    this.wanted = wanted;
    await this.at.store.keep('push', wanted);
    this.at.changed({ kept: true });
  }

  /** Before the person signs out: nothing of theirs shall come to this browser any more. */
  async leave(): Promise<void> {
    const told = this.wanted ? this.at.query({}, (stream) => stream.request('set', '', push.disable())) : Promise.resolve();
    const late = new Promise((done) => setTimeout(done, LEAVE));
    await Promise.race([told.catch(() => {}), late]); // the server removes it as well when it revokes the token
    await this.at.env.push.unsubscribe().catch(() => {});
  }

  async pushDevices(): Promise<readonly PushDevice[]> {
    return this.at.query({}, async (stream) => {
      const [{ all }, names] = await Promise.all([this.registrations(stream), this.names(stream)]);
      return all
        .map((r) => ({ ...r, name: names.get(r.client) ?? '' }))
        .toSorted((a, b) => Number(b.here) - Number(a.here) || b.since - a.since);
    });
  }

  private async names(stream: Stream): Promise<Map<string, string>> {
    try {
      const list = clients.readList(await stream.request('get', '', clients.list()));
      return new Map(list.map((c) => [c.id, c.device || c.software]));
    } catch (e) {
      if (e instanceof StanzaError) return new Map();
      throw e;
    }
  }

  async testPush(): Promise<string> {
    return this.at.query({ 'item-not-found': 'push', 'resource-constraint': 'slow-down' }, async (stream) => {
      try {
        await stream.request('set', '', push.test());
        return '';
      } catch (e) {
        const reason = e instanceof StanzaError ? push.failureOf(e.stanza) : '';
        if (reason === '') throw e;
        if (reason === 'gone') await this.again(stream);
        return reason;
      }
    });
  }

  /** The push service forgot this browser: it is made known to it anew. */
  private async again(stream: Stream): Promise<void> {
    await this.at.env.push.unsubscribe().catch(() => {});
    await this.register(stream).catch(() => {}); // the next start tries again
  }
}
