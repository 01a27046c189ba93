// SPDX-License-Identifier: Apache-2.0

// Files that are sent: each is brought to the server (XEP-0363) before its message goes out. A file waits in the
// database, so it survives a reload and being offline; an upload that broke off begins anew.
import { StanzaError, type Stream } from '../stream/stream';
import type { SharedFile } from '../store/schema';
import * as upload from '../xmpp/upload';
import type { RoomCommands } from './commands';
import type { Surroundings } from './surroundings';

const TRIES = 3; // times that it may go wrong while there is a network
const PAUSE = 2_000; // ms before the second try; four times as long before the next
const SHOW = 200; // ms between two words on how far it is

export class FilesRoom implements Pick<RoomCommands, 'abandon'> {
  private stream: Stream | undefined;
  private readonly running = new Map<string, AbortController>();
  private readonly share = new Map<string, number>(); // of each upload, 0 to 1
  private told = 0;
  private service: { readonly service: string; readonly max: number } | undefined; // found on this stream

  constructor(private readonly at: Surroundings) {}

  async arrived(stream: Stream): Promise<void> {
    this.stream = stream;
    this.service = undefined;
    await this.find(stream);
  }

  lost(): void {
    this.stream = undefined;
  }

  /** How far the uploads are, by key of the message. */
  snapshot(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.share);
  }

  /** Brings the file of a message to the server; then the message can go. It may be called again at any time. */
  upload(key: string, file: SharedFile): void {
    const { stream } = this;
    if (!stream || this.running.has(key)) return;
    const abort = new AbortController();
    this.running.set(key, abort);
    this.share.set(key, 0);
    this.at.report();
    this.bring(stream, key, file, abort.signal)
      .catch(() => {}) // no network: it is tried again with the next stream
      .finally(() => {
        this.running.delete(key);
        this.share.delete(key);
        this.at.report();
      });
  }

  async abandon(key: string): Promise<void> {
    this.running.get(key)?.abort();
  }

  private async bring(stream: Stream, key: string, file: SharedFile, signal: AbortSignal): Promise<void> {
    const blob = await this.at.store.file(key);
    if (!blob) return this.at.failed(key, 'file-lost');
    const place = this.service ?? (await this.find(stream));
    if (!place) return this.at.failed(key, 'no-uploads');
    if (place.max > 0 && blob.size > place.max) return this.at.failed(key, 'file-too-large');
    for (let n = 1; ; n++) {
      const slot = await this.slot(stream, key, place.service, file, blob);
      if (!slot) return; // it has failed for good
      const status = await this.at.env.upload(slot.put, slot.headers, blob, (share) => this.progress(key, share), signal);
      if (signal.aborted) return;
      if (status >= 200 && status < 300) {
        const chat = await this.at.store.uploaded(key, slot.get);
        if (chat !== undefined) this.at.changed({ chat });
        return this.at.flush();
      }
      if (this.stream !== stream || !this.at.env.connected()) return; // the next stream tries again
      if (status === 413) return this.at.failed(key, 'file-too-large');
      if (n === TRIES) return this.at.failed(key, 'upload');
      await new Promise((done) => setTimeout(done, PAUSE * 4 ** (n - 1)));
    }
  }

  private async slot(stream: Stream, key: string, service: string, file: SharedFile, blob: Blob): Promise<upload.Slot | undefined> {
    try {
      const slot = upload.readSlot(await stream.request('get', service, upload.request(file.name, blob.size, file.type)));
      if (!slot) await this.at.failed(key, 'upload');
      return slot;
    } catch (e) {
      if (!(e instanceof StanzaError)) throw e;
      const why = upload.refusal(e.stanza);
      if (why && 'max' in why) {
        if (why.max > 0) await this.remember({ service, max: why.max });
        await this.at.failed(key, 'file-too-large');
      } else if (why) await this.at.failed(key, 'quota', why.retry);
      else await this.at.failed(key, e.condition === 'resource-constraint' ? 'quota' : 'upload');
      return undefined;
    }
  }

  private progress(key: string, share: number): void {
    this.share.set(key, share);
    const now = this.at.env.now();
    if (now - this.told < SHOW) return;
    this.told = now;
    this.at.report();
  }

  /** XEP-0363 §3: the server itself, or what belongs to it. */
  private async find(stream: Stream): Promise<{ readonly service: string; readonly max: number } | undefined> {
    const ask = async (service: string): Promise<{ service: string; max: number } | undefined> => {
      try {
        const info = upload.readInfo(await stream.request('get', service, upload.askInfo()));
        return info && { service, max: info.max };
      } catch (e) {
        if (e instanceof StanzaError) return undefined;
        throw e;
      }
    };
    let found = await ask(stream.domain);
    if (!found) {
      try {
        const items = upload.readItems(await stream.request('get', stream.domain, upload.askItems()));
        for (const service of items.slice(0, 20)) found ??= await ask(service);
      } catch (e) {
        if (!(e instanceof StanzaError)) throw e;
      }
    }
    await this.remember(found ?? { service: '', max: 0 });
    return found;
  }

  private async remember(place: { readonly service: string; readonly max: number }): Promise<void> {
    if (place.service !== '') this.service = place;
    const old = await this.at.store.kept('upload');
    if (old?.service === place.service && old.max === place.max) return;
    await this.at.store.keep('upload', place);
    this.at.changed({ kept: true });
  }
}
