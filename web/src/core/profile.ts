// SPDX-License-Identifier: Apache-2.0

// What people say of themselves, their name and their picture, and what we say. Each picture is fetched once: it goes
// by its hash (XEP-0084 §3.4).
import type { FaceRecord } from '../store/schema';
import { fromBase64, toBase64 } from '../stream/bytes';
import type { Stream } from '../stream/stream';
import * as avatar from '../xmpp/avatar';
import { NODE_NICK, nick, oneLine, readNick } from '../xmpp/nick';
import * as pep from '../xmpp/pep';
import type { RoomCommands } from './commands';
import type { Surroundings } from './surroundings';
import { CommandError, type Picture } from './view';

const MAX = 512 * 1024; // bytes of a picture of somebody else
const AT_ONCE = 2; // pictures that are fetched at the same time
const OWN = 'current'; // the item's id of our name: a second one replaces the first

export class ProfileRoom implements Pick<RoomCommands, 'setName' | 'setAvatar'> {
  private readonly faces = new Map<string, FaceRecord>();
  private readonly wanted = new Map<string, { readonly from: string; readonly info: avatar.Info }>(); // by hash
  private fetching = 0;

  constructor(private readonly at: Surroundings) {}

  async load(): Promise<void> {
    for (const f of await this.at.store.faces()) this.faces.set(f.address, f);
  }

  /** What they call themselves, '' for nothing. */
  nickOf(address: string): string {
    return this.faces.get(address)?.nick ?? '';
  }

  /** Others tell their devices by themselves; what we said ourselves elsewhere is asked for, since we may have missed it. */
  async arrived(stream: Stream): Promise<void> {
    for (const node of [NODE_NICK, avatar.NODE_METADATA]) {
      try {
        const items = pep.readItems(await stream.request('get', '', pep.items(node)));
        await this.event(stream, stream.bare, { node, items, retracted: [] });
      } catch {
        // Nothing was published, or the server keeps nothing.
      }
    }
  }

  lost(): void {
    this.wanted.clear();
  }

  /** Somebody published something; from is their bare address. */
  async event(stream: Stream, from: string, event: pep.Event): Promise<void> {
    const payload = event.items.at(-1)?.payload;
    if (event.node === NODE_NICK) {
      if (payload || event.retracted.length > 0) await this.put(from, { nick: readNick(payload) });
    } else if (event.node === avatar.NODE_METADATA && (payload || event.retracted.length > 0)) {
      const info = avatar.readMetadata(payload);
      await this.put(from, { hash: info?.id ?? '' });
      if (info && !(await this.at.store.picture(info.id))) this.want(stream, from, info);
    }
  }

  private async put(address: string, change: Partial<FaceRecord>): Promise<void> {
    const old = this.faces.get(address) ?? { address, nick: '', hash: '' };
    const next = { ...old, ...change };
    if (next.nick === old.nick && next.hash === old.hash) return;
    this.faces.set(address, next);
    await this.at.store.putFace(next);
    this.at.changed({ faces: true });
  }

  private want(stream: Stream, from: string, info: avatar.Info): void {
    if (info.bytes > MAX || this.wanted.has(info.id)) return;
    this.wanted.set(info.id, { from, info });
    this.fetchNext(stream);
  }

  private fetchNext(stream: Stream): void {
    const [next] = this.wanted.values();
    if (!next || this.fetching >= AT_ONCE) return;
    this.wanted.delete(next.info.id);
    this.fetching++;
    this.fetch(stream, next.from, next.info)
      .catch(() => {}) // they are told of it again at the next log-in
      .finally(() => {
        this.fetching--;
        this.fetchNext(stream);
      });
    this.fetchNext(stream);
  }

  private async fetch(stream: Stream, from: string, info: avatar.Info): Promise<void> {
    const answer = await stream.request('get', from === stream.bare ? '' : from, pep.items(avatar.NODE_DATA, info.id));
    const bytes = fromBase64(avatar.readData(pep.readItems(answer)[0]?.payload));
    // What does not have the hash is another picture than the one that was told of.
    if (bytes.length === 0 || bytes.length > MAX || (await sha1(bytes)) !== info.id) return;
    if (this.faces.get(from)?.hash !== info.id) return; // they have a newer one by now
    await this.at.store.putPicture(info.id, new Blob([bytes], { type: info.type }));
    this.at.changed({ faces: true });
  }

  async setName(typed: string): Promise<void> {
    const name = oneLine(typed);
    await this.at.query({}, async (stream) => {
      // XEP-0172 §4.3; an empty name takes the old one's place, and is none.
      await stream.request('set', '', pep.publish(NODE_NICK, OWN, nick(name)));
      await this.put(stream.bare, { nick: name });
    });
  }

  async setAvatar(picture: Picture | undefined): Promise<void> {
    await this.at.query({ 'policy-violation': 'file-too-large' }, async (stream) => {
      if (!picture) {
        await stream.request('set', '', pep.publish(avatar.NODE_METADATA, '', avatar.metadata(undefined))); // XEP-0084 §3.5
        return this.put(stream.bare, { hash: '' });
      }
      const bytes = new Uint8Array(await picture.blob.arrayBuffer());
      if (bytes.length === 0) throw new CommandError('server', 'an empty picture');
      const id = await sha1(bytes);
      const { width, height } = picture;
      // XEP-0084 §3.1: the picture has to be there before anybody hears of it.
      await stream.request('set', '', pep.publish(avatar.NODE_DATA, id, avatar.data(toBase64(bytes))));
      const info = { id, type: picture.blob.type, bytes: bytes.length, width, height };
      await stream.request('set', '', pep.publish(avatar.NODE_METADATA, id, avatar.metadata(info)));
      await this.at.store.putPicture(id, picture.blob);
      await this.put(stream.bare, { hash: id });
    });
  }
}

async function sha1(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const sum = new Uint8Array(await crypto.subtle.digest('SHA-1', bytes));
  return [...sum].map((b) => b.toString(16).padStart(2, '0')).join('');
}
