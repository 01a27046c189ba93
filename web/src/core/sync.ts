// SPDX-License-Identifier: Apache-2.0

// Brings what the archive on the server has to this device (XEP-0313), page by page. The cursor is an id that came with
// a page, never one that came live: what came between would be missed. Where very much is missing, the newest comes first,
// and the rest from there backwards; the person may hold that up. A new device takes a little, and more of a chat when
// somebody goes back in it.
import type { Page, Place } from '../store/archive';
import type { GapRecord } from '../store/schema';
import type { Store } from '../store/store';
import { Unreachable } from '../stream/errors';
import { StanzaError, type Stream } from '../stream/stream';
import { bare } from '../xmpp/jid';
import { type Ask, type Fin, finOf, query, type Result, resultOf } from '../xmpp/mam';
import { read } from '../xmpp/message';
import { receipt } from '../xmpp/receipts';
import { recordOf } from './ingest';
import type { Change } from './tabs';
import type { CatchUp } from './view';

const PAGE = 100; // messages
const MANY = 20; // pages: if there are more, the newest comes first
const SOME = 5; // pages that a new device takes
const CHAT_PAGE = 50; // messages, of one chat
const SEARCH = 3; // pages in which a message of ours is looked for

export interface SyncHooks {
  readonly now: () => number;
  readonly changed: (change: Change) => void;
  readonly progress: (catchUp: CatchUp | undefined) => void;
  /** Whether they may learn that we have a message. */
  readonly isFriend: (address: string) => boolean;
  /** Whether the person looks at this chat now. */
  readonly seen: (chat: string) => boolean;
  /** Messages came that nobody has seen; told once for each chat. */
  readonly arrived: (chat: string, body: string, file: boolean) => void;
}

interface Fetched {
  readonly fin: Fin;
  readonly results: readonly Result[];
}

export class Sync {
  private held = false;
  private filling: Promise<boolean> | undefined;
  private session = 0; // counts them
  private wake: (() => void) | undefined;
  private done = 0; // messages of this run
  private pages = 0;
  private total: number | undefined;
  private readonly news = new Map<string, { body: string; file: boolean }>();

  constructor(private readonly store: Store, private readonly hooks: SyncHooks) {}

  /**
   * Fetches what is after the cursor, or the newest of it where that is very much. newest: the last id of the archive,
   * '' for an empty one, where it is known. Rejects where the stream ends.
   */
  async catchUp(stream: Stream, newest?: string): Promise<void> {
    const start = await this.store.archive.record();
    if (!start) return;
    const { cursor } = start;
    if (newest !== undefined && newest === (cursor ?? '')) return this.store.archive.atEnd(true);
    this.begin();
    try {
      if (!start.behind) await this.along(stream, cursor);
      else if (cursor === undefined) await this.newest(stream, SOME - 1, start.floor === '');
      else if (!(await this.forward(stream, cursor, MANY)) && !(await this.newest(stream, Number.POSITIVE_INFINITY))) {
        await this.along(stream, cursor); // there is no place for a gap: what is here of this session reaches into it
      }
      await this.lookFor(stream, cursor);
    } catch (e) {
      this.end();
      if (!(e instanceof StanzaError)) throw e; // refused: there is no archive
      await this.store.archive.atEnd(false);
    }
  }

  /**
   * Fills the gaps, from the end; then it tells what came. true: what came live
   * meanwhile is to be placed as well, for it was read, and so was what is before it. Rejects where the stream ends.
   */
  async fillGaps(stream: Stream, extended: boolean): Promise<boolean> {
    this.filling ??= this.fillAll(stream, extended).finally(() => (this.filling = undefined));
    return this.filling;
  }

  private async fillAll(stream: Stream, extended: boolean): Promise<boolean> {
    try {
      for (let filled = false; ; filled = true) {
        const gap = (await this.store.archive.record())?.gaps.findLast((g) => g.pages > 0);
        if (!gap) return filled && (await this.store.archive.unsure());
        await this.gapPage(stream, extended, gap);
      }
    } catch (e) {
      if (!(e instanceof StanzaError)) throw e;
      return false;
    } finally {
      this.end();
    }
  }

  /** Fetches more of a chat from a gap. Rejects with what the query failed with. */
  async fill(stream: Stream, extended: boolean, chat: string, id: string): Promise<void> {
    for (;;) {
      const edge = await this.store.archive.edge(id, chat);
      if (!edge) return;
      const bound = extended && edge.after !== '' ? { afterId: edge.after } : {};
      const got = await this.orGone(() => this.fetch(stream, { max: CHAT_PAGE, before: edge.before, with: chat, ...bound }));
      if (!got) {
        await this.gone(id, edge.after !== '' && extended, chat);
        continue;
      }
      const part = within(got, edge.after);
      const { closed } = part;
      const added = await this.take(stream, part, { kind: 'gap', id, chat, first: got.fin.first, closed }, false);
      if (added?.met) await this.store.archive.close(id, chat);
      this.hooks.changed({ chat });
      if (closed || !added || added.met || added.keys.size > 0) return;
    }
  }

  /** Holds up the filling of gaps, or lets it go on. */
  hold(held: boolean): void {
    this.held = held;
    if (!held) this.wake?.();
    this.tell();
  }

  /** The session is gone: nothing waits for it. */
  lost(): void {
    this.session++;
    this.wake?.();
  }

  /**
   * All that is after the cursor, with no gap. In a session that was not behind, it comes live as well: before the newest
   * page nothing is missing, so a gap would only put in doubt the order of what is here.
   */
  private async along(stream: Stream, cursor: string | undefined): Promise<void> {
    if (cursor === undefined) return; // there is no archive
    if (!(await this.forward(stream, cursor, Number.POSITIVE_INFINITY))) await this.newest(stream, 0, false, true);
  }

  /** Page by page after the cursor. false: there are too many, or the server does not know the cursor any more. */
  private async forward(stream: Stream, start: string, most: number): Promise<boolean> {
    let cursor = start;
    for (;;) {
      const got = await this.orGone(() => this.fetch(stream, { max: PAGE, after: cursor }));
      if (!got) return false;
      const { fin, results } = got;
      const rest = fin.index === undefined || fin.count === undefined ? undefined : Math.max(0, fin.count - fin.index - results.length);
      const end = fin.complete || results.length === 0;
      if (!end && (rest === undefined ? this.pages >= most : rest > most * PAGE)) return false;
      cursor = fin.last || cursor;
      await this.take(stream, got, { kind: 'next', last: fin.last, end }, true, end ? 0 : rest);
      if (end) return true;
    }
  }

  /** The end of the archive, and a gap before it. quiet: as if it had been read. false: there is no place for a gap. */
  private async newest(stream: Stream, pages: number, quiet = false, noGap = false): Promise<boolean> {
    const got = await this.fetch(stream, { max: PAGE, before: '' });
    const { first, last } = got.fin;
    const whole = noGap || got.fin.complete || got.results.length === 0;
    const isNew = !noGap && Number.isFinite(pages);
    return (await this.take(stream, got, { kind: 'newest', first, last, whole, pages }, !isNew, undefined, quiet)) !== undefined;
  }

  private async gapPage(stream: Stream, extended: boolean, gap: GapRecord): Promise<void> {
    await this.whileHeld();
    const bound = extended && gap.after !== '' ? { afterId: gap.after } : {};
    const got = await this.orGone(() => this.fetch(stream, { max: PAGE, before: gap.before, ...bound }));
    if (!got) return this.gone(gap.id, extended && gap.after !== '');
    const isNew = Number.isFinite(gap.pages);
    // What the query matches begins with the gap only where it is bound, or the gap begins with the archive.
    const rest = 'afterId' in bound || gap.after === '' ? got.fin.index : undefined;
    const part = within(got, gap.after);
    const place = { kind: 'gap', id: gap.id, first: got.fin.first, closed: part.closed } as const;
    await this.take(stream, part, place, !isNew, isNew ? undefined : part.closed ? 0 : rest, isNew);
    // Where it ended is a row in each chat.
    if (part.closed) for (const c of await this.store.chats()) this.hooks.changed({ chat: c.address });
  }

  /**
   * Messages of ours of which nobody knows whether the server got them: those that the pages had are settled; with a gap
   * before the newest, they are looked for in their chats, right after where the archive was left.
   */
  private async lookFor(stream: Stream, cursor: string | undefined): Promise<void> {
    const archive = await this.store.archive.record();
    if (cursor === undefined || !archive?.gaps.some((g) => g.after === cursor)) return;
    const chats = new Set((await this.store.outbox()).map((o) => o.chat));
    for (const chat of chats) {
      let after = cursor;
      for (let n = 0; n < SEARCH; n++) {
        const got = await this.orGone(() => this.fetch(stream, { max: CHAT_PAGE, after, with: chat }));
        for (const { message } of got?.results ?? []) {
          const m = read(message, stream.bare);
          if (bare(m.from) === stream.bare && m.originId !== '' && (await this.store.settle(m.originId, 'acked'))) this.hooks.changed({ chat });
        }
        if (!got || got.fin.complete || got.fin.last === '') break;
        after = got.fin.last;
      }
    }
  }

  /** One page of the archive. Its results are not handled with the rest: they count when the page is kept. */
  private async fetch(stream: Stream, ask: Ask): Promise<Fetched> {
    const id = crypto.randomUUID();
    const results = new Map<string, Result>(); // after a connection was lost, some may come again
    const untap = stream.tap((el) => {
      const result = resultOf(el, stream.bare, id);
      if (result) results.set(result.id, result);
      return result !== undefined;
    });
    try {
      const answer = await stream.request('set', '', query(id, ask));
      const fin = finOf(answer);
      if (!fin) throw new StanzaError('undefined-condition', answer);
      const list = [...results.values()];
      return { fin: { ...fin, first: fin.first || (list[0]?.id ?? ''), last: fin.last || (list.at(-1)?.id ?? '') }, results: list };
    } finally {
      untap();
    }
  }

  /** undefined: the server does not know an id any more. */
  private async orGone(f: () => Promise<Fetched>): Promise<Fetched | undefined> {
    try {
      return await f();
    } catch (e) {
      if (e instanceof StanzaError && e.condition === 'item-not-found') return undefined;
      throw e;
    }
  }

  /** One of a gap's ends is not in the archive any more: it is filled as far as the archive goes, or there is nothing left. */
  private async gone(id: string, bound: boolean, chat?: string): Promise<void> {
    if (bound) await this.store.archive.unbound(id);
    else await this.store.archive.close(id, chat);
    for (const c of chat === undefined ? await this.store.chats() : []) this.hooks.changed({ chat: c.address });
  }

  /** Keeps a page. answers: whether to tell senders that we have theirs; rest: how many are still to come. */
  private async take(
    stream: Stream, got: Fetched, place: Place, answers: boolean, rest?: number, quiet = false,
  ): ReturnType<Store['archive']['add']> {
    const messages: Page['messages'][number][] = [];
    const delivered: { key: string; from: string }[] = [];
    const wanted: { key: string; to: string; id: string }[] = [];
    const answered = new Set<string>(); // by other devices of ours
    const now = this.hooks.now();
    for (const { id, message, time } of got.results) {
      const m = read(message, stream.bare);
      const from = bare(m.from);
      if (m.receiptFor !== '') {
        if (from === stream.bare) answered.add(`${bare(m.to)} ${m.receiptFor}`);
        else delivered.push({ key: m.receiptFor, from });
      }
      const record = recordOf(message, { ...m, stanzaId: id, stamp: time }, stream.bare, now);
      if (!record) continue;
      messages.push({ ...record, stanzaId: id, ...(record.mine ? {} : { unread: 1 as const }) });
      if (!record.mine && m.wantsReceipt && this.hooks.isFriend(from)) wanted.push({ key: record.key, to: m.from, id: m.id });
    }
    const added = await this.store.archive.add({ messages, delivered, quiet }, place);
    if (!added) return undefined;
    for (const chat of added.chats) {
      if (this.hooks.seen(chat) && (await this.store.markRead(chat))) this.hooks.changed({ chat, read: true });
      else this.hooks.changed({ chat });
    }
    if (answers) {
      for (const w of wanted) if (added.keys.has(w.key) && !answered.has(`${bare(w.to)} ${w.id}`)) stream.send(receipt(w.to, w.id));
      for (const m of messages) if (!m.mine && added.keys.has(m.key)) this.news.set(m.chat, { body: m.body, file: m.file !== undefined });
    }
    if (place.kind === 'gap' && place.chat !== undefined) return added;
    this.done += got.results.length;
    this.pages++;
    this.total = rest === undefined ? undefined : this.done + rest;
    this.tell();
    return added;
  }

  private begin(): void {
    this.done = this.pages = 0;
    this.total = undefined;
    this.news.clear();
  }

  private end(): void {
    this.hooks.progress(undefined);
    this.pages = 0;
    const news = [...this.news];
    this.news.clear();
    void this.store.chats().then((chats) => {
      const unread = new Set(chats.filter((c) => c.unread > 0).map((c) => c.address));
      for (const [chat, { body, file }] of news) if (unread.has(chat)) this.hooks.arrived(chat, body, file);
    }).catch(() => {});
  }

  private tell(): void {
    const more = this.pages > 1 || (this.total ?? 0) > this.done;
    if (this.pages > 0 && more) this.hooks.progress({ done: this.done, ...(this.total === undefined ? {} : { total: this.total }), paused: this.held });
  }

  /** Waits while the person wants it to. */
  private async whileHeld(): Promise<void> {
    const { session } = this;
    while (this.held) {
      await new Promise<void>((done) => {
        this.wake = done;
      });
      if (session !== this.session) throw new Unreachable('session lost');
    }
  }
}

/** What of a page belongs to the gap that begins after that id ('' = not known), and whether that is the last of it. */
function within(got: Fetched, after: string): Fetched & { readonly closed: boolean } {
  const i = after === '' ? -1 : got.results.findIndex((r) => r.id === after);
  return { ...got, results: got.results.slice(i + 1), closed: got.fin.complete || got.results.length === 0 || i >= 0 };
}
