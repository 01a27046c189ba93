// SPDX-License-Identifier: Apache-2.0

// The leader's work: it keeps one connection open for the account, takes in what comes, sends what waits, and
// does what needs the server. One engine runs per account and browser (see tabs.ts).
import type { Store } from '../store/store';
import { backoff } from '../stream/backoff';
import { StreamError, Unreachable } from '../stream/errors';
import type { SessionRecord } from '../store/schema';
import { type Credential, logIn, type Opened } from '../stream/login';
import { StanzaError, Stream } from '../stream/stream';
import { attr, child, type Element } from '../xml/element';
import { answer } from '../xmpp/answers';
import * as carbons from '../xmpp/carbons';
import { clientState } from '../xmpp/csi';
import { ask, caps, featuresOf } from '../xmpp/disco';
import { bare, domain, local } from '../xmpp/jid';
import * as presence from '../xmpp/presence';
import { EXTENDED } from '../xmpp/mam';
import { ASSIST } from '../xmpp/mds';
import { eventOf } from '../xmpp/pep';
import { newPassword } from '../xmpp/register';
import * as roster from '../xmpp/roster';
import { keepToken, logInOptions } from './access';
import { Contacts } from './contacts';
import type { Env } from './env';
import { Ingest } from './ingest';
import { Outbox } from './outbox';
import { People } from './people';
import { Reading } from './read';
import { commandError, logInReason, tokenIsGone } from './reasons';
import { Rooms } from './rooms';
import type { RoomCommands } from './commands';
import { Sync } from './sync';
import type { Change, Commands, ContactCommands, Live, Look } from './tabs';
import { Typing } from './typing';
import { type CatchUp, CommandError, type Connection, type Reason } from './view';

const CROWDED = 60_000; // ms to wait after another device took our place: not to fight for it
const SOON = 8_000; // ms that a command waits for a connection that is being made
const STEADY = 10_000; // ms a connection lasts that counts as a good one
const OFTEN = 200; // messages that come live until the archive is asked, so that the next session need not ask for as many
/** What a refused new password means (XEP-0077 §3.3). */
const PASSWORD_REASONS: Readonly<Record<string, Reason>> = {
  'not-acceptable': 'weak-password', 'bad-request': 'weak-password', 'not-authorized': 'current-password', 'resource-constraint': 'slow-down',
};
const MIN_PASSWORD = 10; // characters; the server has the last word

export interface Hooks {
  changed(change: Change): void;
  live(live: Live): void;
  /** The account cannot be used from here any more. */
  out(reason: 'signed-out' | 'password-changed' | 'disabled'): void;
}

export class Engine implements Omit<Commands, 'logOut' | keyof RoomCommands | keyof ContactCommands> {
  readonly rooms: Rooms;
  readonly contacts: Contacts;
  private readonly writing: Typing;
  private readonly outbox: Outbox;
  private readonly people: People;
  private readonly ingest: Ingest;
  private readonly sync: Sync;
  private readonly reading: Reading;
  private readonly looks = new Map<string, Look>();
  private readonly comers = new Set<(stream: Stream | undefined) => void>(); // wait for a stream
  private stream: Stream | undefined; // while it is connected
  private session: Stream | undefined; // it may be asleep
  private greeted = false; // the session knows that we are there
  private arrived = false; // the rooms know of the session
  private features: ReadonlySet<string> | undefined; // of our account
  private csi = false; // the server wants to know whether somebody looks
  private active = true; // as it was told
  private catching: Promise<void> | undefined;
  private catchUp: CatchUp | undefined;
  private live = 0; // messages since the archive was asked
  private connection: Connection = 'connecting';
  private stopped = false;
  private wake: (() => void) | undefined; // ends the waiting for the next try
  private password: string | undefined; // a new one, for the one log-in that gets a new token
  private lastError: Error | undefined;
  private ended = ''; // the condition by which the server ended the last stream that was logged in
  private shown: Promise<void> | undefined; // the next report of what is live

  constructor(
    private readonly env: Env,
    private readonly address: string,
    private readonly client: string, // id of this installation
    private readonly store: Store,
    private readonly hooks: Hooks,
  ) {
    const changed = (change: Change): void => hooks.changed(change);
    this.people = new People(store, changed, () => this.report());
    this.contacts = new Contacts(address, store, this.people, { changed, query: (special, run) => this.query(special, run) });
    this.writing = new Typing({
      now: () => env.now(),
      may: (chat) => this.stream !== undefined && this.people.isFriend(chat),
      heard: async (chat) => (await store.chat(chat))?.heard ?? 0,
      send: (el) => this.stream?.send(el),
    });
    this.rooms = new Rooms({
      env, address, client, store, changed,
      report: () => this.report(),
      query: (special, run) => this.query(special, run),
      flush: () => this.flush(),
      failed: (key, failure, retryAt) => this.outbox.failed(key, failure, '', retryAt),
    });
    const upload = this.rooms.files.upload.bind(this.rooms.files);
    this.outbox = new Outbox(store, (a) => this.people.isFriend(a), changed, (chat) => this.writing.wrote(chat), upload);
    this.ingest = new Ingest(store, this.outbox, this.people, {
      now: () => env.now(),
      seen: (chat) => this.looksAt(chat),
      changed,
      arrived: (chat, body, file) => void this.note(chat, body, file),
      session: () => this.session && { id: this.session.id, h: this.session.next, ...this.people.news() },
      read: () => this.reading.read(),
      assists: () => this.features?.has(ASSIST) === true,
    });
    this.sync = new Sync(store, {
      now: () => env.now(),
      changed: (change) => {
        changed(change);
        if (change.read) this.reading.read();
      },
      progress: (catchUp) => {
        this.catchUp = catchUp;
        this.report();
      },
      isFriend: (a) => this.people.isFriend(a),
      seen: (chat) => this.looksAt(chat),
      arrived: (chat, body, file) => void this.note(chat, body, file),
    });
    this.reading = new Reading(store, (change) => {
      if (change.chat !== undefined) env.notifications.clear(change.chat);
      changed(change);
    });
  }

  /** Runs until stop(); first is what was just opened by the log-in. */
  async run(first?: Opened): Promise<void> {
    const unwake = this.env.onWake(() => this.woken());
    await Promise.all([this.people.load(), this.rooms.load()]);
    if (!first) await this.restore();
    this.report();
    let failures = 0;
    let opened = first;
    while (!this.stopped) {
      const begun = this.env.now();
      try {
        opened ??= await this.connect();
        const goesOn = opened.stream === this.session;
        if (!goesOn) await this.begin(opened);
        await this.serve(opened, goesOn);
      } catch (e) {
        this.lastError = e instanceof Error ? e : undefined;
        if (opened) this.ended = e instanceof StreamError ? e.condition : '';
        if (opened && this.env.now() - begun >= STEADY) failures = 0;
      }
      opened = undefined;
      if (this.session && !this.session.asleep) await this.lost();
      if (this.stopped) break;
      await this.wait(failures++);
    }
    unwake();
  }

  /** Takes up the session of an earlier page (XEP-0198 §5). */
  private async restore(): Promise<void> {
    const saved = await this.store.session();
    if (!saved) return;
    this.csi = saved.csi;
    this.greeted = saved.greeted !== false; // the page may have gone before it had said that it is here
    this.session = Stream.restore(saved, (key) => this.outbox.confirmed(key));
    this.people.restore(saved.there);
  }

  /** A new session: what was known of the one before does not hold any more. */
  private async begin({ stream, csi, newest }: Opened): Promise<void> {
    await this.lost();
    this.session = stream;
    this.csi = csi;
    await this.store.archive.begin(newest);
    await this.store.putSession(this.saved());
  }

  private async lost(): Promise<void> {
    this.session = undefined;
    this.greeted = this.arrived = false;
    this.features = undefined;
    this.people.lost();
    this.rooms.lost();
    this.sync.lost();
    this.reading.lost();
    await this.catching?.catch(() => {});
    await this.outbox.lost();
    await this.store.putSession(undefined).catch(() => {}); // then it is tried, and refused
  }

  private saved(): SessionRecord | undefined {
    const { session } = this;
    return session && session.id !== '' ? { ...session.saved(), csi: this.csi, greeted: this.greeted, there: this.people.all() } : undefined;
  }

  /** Writes down how far the session is: the page may be gone any moment. */
  save(): void {
    const saved = this.saved();
    if (saved && !this.stopped) this.store.putSession(saved).catch(() => {});
  }

  /** Ends the connection in good order. */
  stop(): void {
    this.stopped = true;
    this.rooms.stop();
    this.come(undefined);
    this.reading.lost();
    this.sync.lost();
    this.store.putSession(undefined).catch(() => {}); // the database may be gone
    this.stream?.send(presence.unavailable());
    this.session?.close();
    this.wake?.();
    this.writing.stop();
  }

  look(tab: string, look: Look): void {
    this.looks.set(tab, look);
    this.tellState();
  }

  /** Tells the server whether somebody looks (XEP-0352). */
  private tellState(): void {
    if (!this.csi || !this.stream || this.seen === this.active) return;
    this.active = this.seen;
    this.stream.tell(clientState(this.active));
  }

  private looksAt(chat: string): boolean {
    return [...this.looks.values()].some((l) => l.visible && l.chat === chat);
  }

  private get seen(): boolean {
    return [...this.looks.values()].some((l) => l.visible);
  }

  /** A chat was read, here or elsewhere. */
  read(): void {
    this.reading.read();
  }

  flush(): void {
    this.outbox.flush();
  }

  report(): void {
    this.shown ??= Promise.resolve().then(() => {
      this.shown = undefined;
      if (this.stopped) return;
      const { typing, presence: there } = this.people.snapshot();
      // Who is there is not known for long without a connection.
      const who = this.connection === 'waiting' ? {} : there;
      this.hooks.live({ connection: this.connection, typing, presence: who, catchUp: this.catchUp, uploads: this.rooms.files.snapshot() });
    });
  }

  /** Logs in with what we have: a password that was just set, else the token. */
  private async connect(): Promise<Opened> {
    this.set('connecting');
    const account = await this.store.account();
    if (this.password !== undefined) {
      try {
        return await this.enter({ kind: 'password', password: this.password });
      } catch (e) {
        if (logInReason(e, false) !== 'wrong-password') throw e;
        this.password = undefined; // it was not changed after all
      }
    }
    if (!account?.token) {
      this.hooks.out('signed-out');
      throw new Unreachable('no token');
    }
    const count = account.token.count + 1; // kept before it is used (XEP-0484 §3.4)
    await this.store.updateAccount((r) => (r.token ? { ...r, token: { ...r.token, count } } : r));
    try {
      return await this.enter({ kind: 'token', secret: account.token.secret, count });
    } catch (e) {
      if (tokenIsGone(e)) this.refused(e);
      throw e;
    }
  }

  private refused(e: unknown): void {
    if (logInReason(e, false) === 'disabled') this.hooks.out('disabled');
    // A password change ends the other sessions, and their tokens.
    else if (this.ended === 'reset') this.hooks.out('password-changed');
    else this.hooks.out('signed-out');
  }

  private async enter(credential: Credential): Promise<Opened> {
    const previous = this.session?.asleep ? { previous: this.session } : {};
    if (this.session?.asleep) {
      // The server is told how far it is: a page that comes after this one must not say less.
      await this.session.settled();
      await this.store.putSession(this.saved());
    }
    const opened = await logIn({ ...logInOptions(this.env, this.address, this.client, credential), ...previous, inactive: !this.seen });
    await keepToken(this.store, opened.token);
    this.password = undefined;
    return opened;
  }

  /** Serves a session to the end of this connection. Rejects with why it ended. */
  private async serve(opened: Opened, goesOn: boolean): Promise<never> {
    const { stream } = opened;
    let fail: (why: Error) => void = () => {};
    const ended = new Promise<never>((_, reject) => {
      fail = reject;
    });
    ended.catch(() => {}); // it may end before it is waited for
    this.stream = stream;
    stream.start({ stanza: (el) => this.stanza(stream, el), ended: fail, acking: () => this.written(stream) });
    if (this.stopped) stream.close();
    this.active = opened.active;
    this.tellState();
    this.set('online');
    try {
      await Promise.race([this.greet(opened, goesOn), ended]);
      return await ended;
    } finally {
      if (stream.id === '') stream.close(); // where it was us who gave up
      else stream.drop();
      this.stream = undefined;
      this.outbox.rest();
      this.set('connecting');
      this.save();
    }
  }

  private async greet(opened: Opened, goesOn: boolean): Promise<void> {
    const { stream } = opened;
    if (!this.greeted) {
      // RFC 6121 §2.2: first the contacts, so that we know who is who when the rest comes.
      await Promise.all([optional(this.people.sync(stream)), optional(this.reading.sync(stream)), this.learn(stream)]);
      if (!opened.copies) await optional(stream.request('set', '', carbons.enable()));
      const here = presence.available(await caps());
      if (this.session !== stream) return; // it ended meanwhile
      stream.send(here);
      this.greeted = true;
      this.save();
    } else if (!this.features) await this.learn(stream);
    if (this.stream !== stream) return;
    if (!this.arrived) this.rooms.arrived(stream);
    this.arrived = true;
    // What the archive may have is not sent again before it was asked.
    const doubts = await this.outbox.doubts(stream);
    if (!doubts) await this.outbox.use(stream);
    const behind = (await this.store.archive.record())?.behind === true;
    if (behind || doubts) this.catching ??= this.follow(stream, goesOn ? undefined : opened.newest).finally(() => (this.catching = undefined));
    await this.catching;
    if (doubts) await this.outbox.use(stream);
    this.reading.use(stream, this.features ?? new Set());
  }

  /** Catches up with the archive. What is missing before the newest follows without being waited for. */
  private async follow(stream: Stream, newest?: string): Promise<void> {
    this.live = 0;
    await this.sync.catchUp(stream, newest);
    this.sync.fillGaps(stream, this.features?.has(EXTENDED) === true)
      .then((again) => again && this.stream === stream && this.followAgain(stream))
      .catch(() => {}); // the stream ended: the next goes on
  }

  private followAgain(stream: Stream): void {
    this.catching ??= this.follow(stream).catch(() => {}).finally(() => (this.catching = undefined));
  }

  private async learn(stream: Stream): Promise<void> {
    await optional(stream.request('get', stream.bare, ask()).then((iq) => void (this.features = featuresOf(iq))));
    this.features ??= new Set();
  }

  /** All that was handled is written down, before the server is told. */
  private async written(stream: Stream): Promise<void> {
    const saved = this.session === stream ? this.saved() : undefined;
    if (saved) await this.store.putSession(saved);
    if (this.live >= OFTEN) this.followAgain(stream);
  }

  private async stanza(stream: Stream, el: Element): Promise<void> {
    if (el.name === 'message') {
      const event = eventOf(el);
      if (event && (await this.reading.event(bare(attr(el, 'from') || stream.bare), event, stream.bare))) return undefined;
      if (await this.rooms.event(stream, el)) return undefined;
      this.live++;
      return this.ingest.message(stream, el);
    }
    if (el.name === 'presence') return this.people.presence(stream, el);
    const isPush = attr(el, 'type') === 'set' && child(el, roster.NS_ROSTER, 'query') !== undefined;
    // RFC 6121 §2.1.6: a push counts only from our own account.
    if (isPush && (attr(el, 'from') === '' || attr(el, 'from') === stream.bare)) return this.people.push(stream, el);
    if (await this.rooms.query(stream, el)) return;
    stream.send(answer(el, { version: this.env.version, now: () => this.env.now() }));
  }

  /** Waits for the time of the next try, or until somebody cannot wait. */
  private async wait(failures: number): Promise<void> {
    const conflict = this.lastError instanceof StreamError && this.lastError.condition === 'conflict';
    const ms = conflict ? CROWDED : backoff(failures + 1);
    this.set('waiting');
    await new Promise<void>((done) => {
      const timer = setTimeout(done, ms);
      this.wake = () => {
        clearTimeout(timer);
        done();
      };
    });
    this.wake = undefined;
  }

  private woken(): void {
    if (!this.env.visible()) this.save();
    else if (this.stream) void this.stream.check();
    else if (this.env.connected()) this.wake?.();
  }

  private set(connection: Connection): void {
    this.connection = connection;
    if (connection !== 'connecting') this.come(this.stream);
    this.report();
  }

  /** Ends the waiting for a stream. */
  private come(stream: Stream | undefined): void {
    for (const done of this.comers) done(stream);
    this.comers.clear();
  }

  /** The stream that is about to be there: who has just opened the app need not be told that there is no connection. */
  private async soon(): Promise<Stream | undefined> {
    if (this.stopped || this.connection !== 'connecting') return undefined;
    return new Promise((done) => {
      const timer = setTimeout(() => finish(undefined), SOON);
      const finish = (stream: Stream | undefined): void => {
        clearTimeout(timer);
        this.comers.delete(finish);
        done(stream);
      };
      this.comers.add(finish);
    });
  }

  private async note(chat: string, body: string, file: boolean): Promise<void> {
    if (this.rooms.push.silent || this.seen) return;
    const title = this.people.get(chat)?.name || this.rooms.profile.nickOf(chat) || local(chat) || chat;
    this.env.notifications.show({ chat, title, body, file }, (await this.store.kept('discreet')) ?? false);
  }

  // Commands. Each rejects with a CommandError.

  async typing(chat: string, now: boolean): Promise<void> {
    await this.writing.typing(chat, now);
  }

  async reconnect(): Promise<void> {
    this.woken();
  }

  async changePassword(current: string, next: string): Promise<void> {
    const name = local(this.address);
    if ([...next].length < MIN_PASSWORD || (name.length > 2 && next.toLowerCase().includes(name))) throw new CommandError('weak-password');
    if (current === '') throw new CommandError('current-password');
    await this.query(PASSWORD_REASONS, async (stream) => {
      this.password = next; // even if the answer gets lost
      try {
        await stream.request('set', domain(this.address), newPassword(name, current, next));
      } catch (e) {
        if (e instanceof StanzaError) this.password = undefined;
        throw e;
      }
      stream.close(); // and in again by the new password, for a new token
    });
  }

  async fill(chat: string, gap: string): Promise<void> {
    await this.query({}, (stream) => this.sync.fill(stream, this.features?.has(EXTENDED) === true, chat, gap));
  }

  async holdCatchUp(hold: boolean): Promise<void> {
    this.sync.hold(hold);
  }

  private async query<T>(special: Readonly<Record<string, Reason>>, run: (stream: Stream) => Promise<T>): Promise<T> {
    const stream = this.stream ?? (await this.soon());
    if (!stream) throw new CommandError('offline');
    try {
      return await run(stream);
    } catch (e) {
      throw commandError(e, special);
    }
  }
}

/** What the server may refuse: we do without it. */
async function optional(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (e) {
    if (!(e instanceof StanzaError)) throw e;
  }
}
