// SPDX-License-Identifier: Apache-2.0

// Contacts, who of them is there, who asks to be one, and who is typing.
import type { PersonRecord, There } from '../store/schema';
import type { Store } from '../store/store';
import type { Stream } from '../stream/stream';
import { attr, type Element } from '../xml/element';
import { result } from '../xmpp/answers';
import { bare, resource } from '../xmpp/jid';
import * as presence from '../xmpp/presence';
import * as roster from '../xmpp/roster';
import type { Change, Live } from './tabs';

const TYPING = 30_000; // ms after which a lost "stopped typing" is made up for
const FEW = 5; // contacts of a new account that get an empty chat each: the one who invited stands there already

export class People {
  private readonly known = new Map<string, PersonRecord>();
  private there = new Map<string, Map<string, presence.Presence>>(); // by bare address and device
  private fresh = false; // there is not written down as it is
  private readonly typers = new Map<string, ReturnType<typeof setTimeout>>();

  constructor(
    private readonly store: Store,
    private readonly changed: (change: Change) => void,
    private readonly lively: () => void,
  ) {}

  async load(): Promise<void> {
    for (const p of await this.store.people()) this.known.set(p.address, p);
  }

  get(address: string): PersonRecord | undefined {
    return this.known.get(address);
  }

  /** Whether they may see when we are there; others shall not learn it from receipts or typing either. */
  isFriend(address: string): boolean {
    const s = this.known.get(address)?.subscription;
    return s === 'from' || s === 'both';
  }

  /** Brings the contact list up to date (RFC 6121 §2.1.3). */
  async sync(stream: Stream): Promise<void> {
    const version = (await this.store.account())?.rosterVersion ?? '';
    const list = roster.read(await stream.request('get', '', roster.get(version)));
    if (!list) return; // ours is current
    const fresh = version === '' && this.known.size === 0;
    const people = list.items.flatMap((i) => record(i) ?? []);
    await this.store.replacePeople(people, list.ver);
    this.known.clear();
    for (const p of people) this.known.set(p.address, p);
    if (fresh && people.length <= FEW) for (const p of people) if (p.subscription === 'both') await this.begin(p.address);
    this.changed({ people: true });
  }

  /** A change of the list, pushed by our server (RFC 6121 §2.1.6). */
  async push(stream: Stream, iq: Element): Promise<void> {
    const list = roster.read(iq);
    for (const item of list?.items ?? []) {
      const person = record(item);
      const before = this.known.get(item.address);
      await this.store.putPerson(item.address, person, list?.ver ?? '');
      if (person) this.known.set(item.address, person);
      else this.known.delete(item.address);
      if (person?.subscription === 'both' && before?.subscription !== 'both') {
        await this.store.deleteRequest(item.address);
        this.changed({ requests: true });
        await this.begin(item.address);
      }
    }
    stream.send(result(iq));
    this.changed({ people: true });
  }

  async presence(stream: Stream, el: Element): Promise<void> {
    const from = bare(attr(el, 'from') || stream.bare);
    switch (presence.kind(el)) {
      case 'presence': return this.arrive(el, from);
      case 'subscribe': return this.asked(stream, from, presence.note(el));
      case 'unsubscribe':
        await this.store.deleteRequest(from);
        return this.changed({ requests: true });
      case 'unsubscribed':
        this.there.delete(from);
        this.fresh = true;
        return this.lively();
      default: // 'subscribed' comes with a push of the list; errors change nothing
    }
  }

  typing(address: string, now: boolean): void {
    clearTimeout(this.typers.get(address));
    const was = this.typers.delete(address);
    if (now) this.typers.set(address, setTimeout(() => this.typing(address, false), TYPING));
    if (was !== now) this.lively();
  }

  /** Who is there, where that changed since it was asked for last. */
  news(): { readonly there?: There } {
    if (!this.fresh) return {};
    this.fresh = false;
    return { there: this.all() };
  }

  all(): There {
    return this.there;
  }

  /** The session goes on after a reload, and with it what we knew of others. */
  restore(there: There): void {
    this.there = new Map([...there].map(([address, devices]) => [address, new Map(devices)]));
    this.lively();
  }

  /** The session is gone, and with it what we know of others. */
  lost(): void {
    this.fresh = true;
    for (const timer of this.typers.values()) clearTimeout(timer);
    this.typers.clear();
    this.there.clear();
  }

  snapshot(): Pick<Live, 'typing' | 'presence'> {
    const who: Record<string, Live['presence'][string]> = {};
    for (const [address, devices] of this.there) {
      const best = [...devices.values()].toSorted((a, b) => RANK[b.show] - RANK[a.show] || b.priority - a.priority)[0];
      if (best) who[address] = { show: best.show, status: best.status };
    }
    return { typing: [...this.typers.keys()], presence: who };
  }

  private arrive(el: Element, from: string): void {
    this.fresh = true;
    const p = presence.read(el);
    const devices = this.there.get(from) ?? new Map<string, presence.Presence>();
    if (p.show === 'offline') devices.delete(resource(p.from));
    else devices.set(resource(p.from), p);
    if (devices.size > 0) this.there.set(from, devices);
    else {
      this.there.delete(from);
      this.typing(from, false);
    }
    this.lively();
  }

  private async asked(stream: Stream, from: string, note: string): Promise<void> {
    const p = this.known.get(from);
    // Who we asked ourselves, or may see us already, needs no asking back.
    if (p && (p.asked || p.subscription !== 'none')) {
      stream.send(presence.subscription('subscribed', from));
      return;
    }
    await this.store.putRequest({ address: from, note });
    this.changed({ requests: true });
  }

  private async begin(address: string): Promise<void> {
    await this.store.addChat(address);
    this.changed({ chat: address });
  }
}

const RANK: Readonly<Record<presence.Availability, number>> = { offline: 0, busy: 1, away: 2, online: 3 };

function record(i: roster.Item): PersonRecord | undefined {
  if (i.subscription === 'remove') return undefined;
  return { address: i.address, name: i.name, subscription: i.subscription, asked: i.asked, groups: i.groups };
}
