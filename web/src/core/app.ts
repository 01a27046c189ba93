// SPDX-License-Identifier: Apache-2.0

// The App of view.ts. Each tab has one; it reads the database by itself, and for what needs the connection it
// turns to the leader, which may be itself (tabs.ts, engine.ts).
import { computed, signal } from '@preact/signals';
import type { Profile } from '../store/profile';
import { Store } from '../store/store';
import { type Credential, logIn, type Opened } from '../stream/login';
import { address as readAddress, domain } from '../xmpp/jid';
import type { Endpoint } from './commands';
import { forgetToken, keepToken, logInOptions } from './access';
import { Engine } from './engine';
import type { Env } from './env';
import { logInReason } from './reasons';
import { type Change, type Commands, type Look, Tabs } from './tabs';
import {
  type App, CommandError, type DeviceInfo, type Invitation, type NewFile, type Picture, type PushDevice, type PushState, type ReportReason, type Session,
  type Timeline,
} from './view';
import { Views } from './views';

type OutReason = NonNullable<Extract<Session, { kind: 'out' }>['reason']>;

/** A log-in that an address carried: from the sign-up page. */
export interface Code {
  readonly address: string;
  readonly code: string;
}

/** The account that is signed in, in this tab. */
interface Inside {
  readonly address: string;
  readonly store: Store;
  readonly abort: AbortController; // gives up the lead, or waiting for it
  engine?: Engine;
}

const FORGET = 3_000; // ms to wait for the other tabs to let go of the database

export class KithApp implements App {
  readonly domain: string;
  readonly session = signal<Session>({ kind: 'loading' });
  readonly notifications = signal<'ask' | 'on' | 'off' | 'unsupported'>('ask');
  private readonly views = new Views();
  readonly chats = this.views.chats;
  readonly contacts = this.views.contacts;
  readonly requests = computed(() => this.views.requests.value);
  readonly connection = this.views.connection;
  readonly unread = this.views.unread;
  readonly catchUp = this.views.catchUp;
  readonly avatars = this.views.avatars;
  readonly uploads = this.views.uploads;
  readonly blocked = this.views.blocked;
  readonly discreet = this.views.discreet;
  readonly fileLimit = this.views.fileLimit;
  readonly ownName = computed(() => (this.session.value.kind === 'in' ? this.views.nickOf(this.session.value.address) : ''));
  readonly silenced = computed(() => this.views.pushed.value === false);
  readonly push = computed<PushState>(() => {
    const support = this.env.push.support();
    if (support !== 'yes') return support === 'install' ? 'install' : 'unsupported';
    return this.views.pushed.value === true && this.notifications.value === 'on' ? 'on' : 'off';
  });
  private readonly tabs: Tabs;
  private inside: Inside | undefined;
  private entering: { readonly abort: AbortController; readonly end: Promise<unknown> } | undefined; // a log-in under way
  private looking = '';

  constructor(private readonly env: Env, private readonly profile: Profile) {
    this.domain = env.domain;
    this.notifications.value = env.notifications.state();
    this.tabs = new Tabs(env.channel, {
      session: (address, reason) => void this.follow(address, reason),
      change: (change) => this.noticed(change),
      live: (live) => {
        if (!this.inside?.engine) this.views.live.value = live;
      },
      hello: () => {
        this.inside?.engine?.report();
        this.sayLook();
      },
      look: (tab, look) => this.inside?.engine?.look(tab, look),
      run: (command, args) => this.perform(command, args),
    });
    env.onWake(() => this.sayLook());
    env.onLeave(() => {
      this.tellLook({ chat: '', visible: false });
      this.inside?.engine?.save();
    });
  }

  /** Opens what is kept, or logs in by the code. */
  async start(code?: Code): Promise<void> {
    const account = (await this.profile.get('account')) ?? '';
    // A link must not put anybody into another account than the one they are in.
    if (account !== '') return this.enter(account);
    const last = (await this.profile.get('last')) ?? '';
    if (code) {
      const address = readAddress(code.address, this.domain);
      // Nor take the place, and delete the history, of who was put out and can come back.
      if (last !== '' && last !== address) {
        this.session.value = { kind: 'out', address };
        return;
      }
      try {
        return await this.attempt(address, { kind: 'code', secret: code.code });
      } catch (e) {
        const used = e instanceof CommandError && e.reason === 'code-used';
        this.session.value = { kind: 'out', address, ...(used ? { reason: 'code-used' } : {}) };
        return;
      }
    }
    this.session.value = { kind: 'out', ...(last === '' ? {} : { address: last }) };
  }

  async logIn(typed: string, password: string): Promise<void> {
    const address = readAddress(typed, this.domain);
    if (address === '') throw new CommandError('bad-address');
    await this.attempt(address, { kind: 'password', password });
  }

  /** Logs in, until logOut() gives it up. */
  private async attempt(address: string, credential: Credential): Promise<void> {
    if (this.inside || this.entering) throw new CommandError('refused', 'signed in already');
    if (domain(address) !== this.domain) throw new CommandError('unknown-domain');
    const abort = new AbortController();
    const work = this.signIn(address, credential, abort.signal);
    this.entering = { abort, end: work.catch(() => {}) };
    try {
      await work;
    } finally {
      this.entering = undefined;
    }
  }

  private async signIn(address: string, credential: Credential, signal: AbortSignal): Promise<void> {
    let opened: Opened;
    try {
      opened = await logIn({ ...logInOptions(this.env, address, await this.profile.client(), credential), signal });
    } catch (e) {
      throw new CommandError(logInReason(e, credential.kind === 'code'), e instanceof Error ? e.message : '');
    }
    if (signal.aborted) {
      opened.stream.close();
      throw new CommandError('unreachable', 'given up');
    }
    const meanwhile = this.entered(); // by another tab
    if (meanwhile) {
      if (meanwhile.address === address) await keepToken(meanwhile.store, opened.token);
      opened.stream.close();
      return;
    }
    const last = (await this.profile.get('last')) ?? '';
    if (last !== '' && last !== address) await forget(last); // this device is somebody else's now
    const store = await Store.open(address);
    if (!(await store.account())) await store.putAccount({ address, rosterVersion: '' });
    await keepToken(store, opened.token);
    store.close();
    await this.profile.set('account', address);
    await this.profile.set('last', address);
    await this.enter(address, opened);
    this.tabs.session(address);
  }

  private entered(): Inside | undefined {
    return this.inside;
  }

  /** Shows an account and tries for the lead. */
  private async enter(address: string, opened?: Opened): Promise<void> {
    const abort = new AbortController();
    const store = await Store.open(address, (why) => {
      if (why === 'outdated') this.env.reload();
      else this.leave(store, undefined);
    });
    if (this.inside) { // another tab's word was quicker
      store.close();
      opened?.stream.close();
      return;
    }
    const inside: Inside = { address, store, abort };
    this.inside = inside;
    this.tabs.account = address;
    await this.views.attach(store);
    if (this.inside !== inside) return;
    this.session.value = { kind: 'in', address, name: address.slice(0, address.indexOf('@')) };
    this.tabs.hello();
    this.sayLook();
    void this.env.locks
      .request(`kith/${address}`, abort.signal, () => this.lead(inside, opened))
      .catch(() => {}); // given up
  }

  private async lead(inside: Inside, opened?: Opened): Promise<void> {
    if (inside.abort.signal.aborted) return;
    const engine = new Engine(this.env, inside.address, await this.profile.client(), inside.store, {
      changed: (change) => {
        this.views.changed(change);
        this.tabs.change(change);
      },
      live: (live) => {
        if (this.inside !== inside) return;
        this.views.live.value = live;
        this.tabs.live(live);
      },
      out: (reason) => void this.out(reason),
    });
    inside.engine = engine;
    inside.abort.signal.addEventListener('abort', () => engine.stop());
    engine.look(this.tabs.id, this.look0());
    this.tabs.hello(); // who looks at what?
    this.tabs.lead();
    await engine.run(opened);
  }

  /** Another tab signed in or out. */
  private async follow(address: string, reason: string | undefined): Promise<void> {
    if (address === '') {
      if (this.inside) this.leave(this.inside.store, reason as OutReason | undefined); // posted by tabs.session below
    } else if (!this.inside) await this.enter(address);
  }

  /** The account cannot be used any more from here: all tabs leave it. What is kept stays for the next log-in. */
  private async out(reason: OutReason): Promise<void> {
    const inside = this.inside;
    if (!inside) return;
    await inside.store.updateAccount(({ token: _token, ...rest }) => rest);
    await this.profile.set('account', '');
    this.leave(inside.store, reason);
    this.tabs.session('', reason);
  }

  private leave(store: Store, reason: OutReason | undefined): void {
    const inside = this.inside;
    if (inside?.store !== store) return;
    this.inside = undefined;
    inside.abort.abort();
    this.views.detach();
    this.tabs.account = '';
    store.close();
    const address = reason === undefined ? undefined : inside.address;
    this.session.value = { kind: 'out', ...(reason === undefined ? {} : { reason }), ...(address === undefined ? {} : { address }) };
  }

  async logOut(): Promise<void> {
    const { entering } = this;
    entering?.abort.abort();
    await entering?.end; // it may have come in at the last moment
    if (this.inside) await this.tabs.run('logOut');
  }

  /** The leader's part of logging out. */
  private async end(): Promise<void> {
    const inside = this.inside;
    if (!inside) return;
    const { address, store } = inside;
    await inside.engine?.rooms.push.leave();
    inside.engine?.stop();
    await forgetToken(this.env, address, await this.profile.client(), store);
    await this.profile.set('account', '');
    await this.profile.set('last', '');
    this.leave(store, undefined);
    this.tabs.session('');
    await forget(address);
  }

  private perform(command: keyof Commands, args: readonly unknown[]): Promise<unknown> | undefined {
    const engine = this.inside?.engine;
    if (!engine) return undefined;
    if (command === 'logOut') return this.end();
    // The arguments were checked where run() was called, in this tab or another of the same app.
    const owner: unknown = [engine.rooms, engine.contacts].find((room) => command in room) ?? engine;
    const method = (owner as Record<string, (...a: readonly unknown[]) => Promise<unknown>>)[command];
    return method?.apply(owner, [...args]);
  }

  private noticed(change: Change): void {
    this.views.changed(change);
    if (change.outbox) this.inside?.engine?.flush();
    if (change.read) this.inside?.engine?.read();
  }

  /** Tells all tabs, this one too, what was written. */
  private wrote(change: Change): void {
    this.noticed(change);
    this.tabs.change(change);
  }

  private get store(): Store {
    if (!this.inside) throw new CommandError('refused', 'signed out');
    return this.inside.store;
  }

  async changePassword(current: string, next: string): Promise<void> {
    await this.tabs.run('changePassword', current, next);
  }

  holdCatchUp(hold: boolean): void {
    this.background(this.tabs.run('holdCatchUp', hold));
  }

  reconnect(): void {
    this.background(this.tabs.run('reconnect'));
  }

  async timeline(chat: string): Promise<Timeline> {
    return this.views.timeline(this.store, chat, (c, gap) => this.tabs.run('fill', c, gap));
  }

  async send(chat: string, body: string): Promise<void> {
    const { store, address } = this.inside ?? { store: this.store, address: '' };
    const key = crypto.randomUUID();
    const own = { key, chat, from: address, mine: true, time: this.env.now(), body, state: 'queued', originId: key } as const;
    await store.enqueue(own);
    this.wrote({ chat, outbox: true });
  }

  async resend(key: string): Promise<void> {
    const m = await this.store.message(key);
    if (m && (await this.store.requeue(key, this.env.now()))) this.wrote({ chat: m.chat, outbox: true });
  }

  async discard(key: string): Promise<void> {
    const m = await this.store.message(key);
    if (!m || !(await this.store.discard(key))) return;
    this.wrote({ chat: m.chat });
    if (m.file?.url === '') this.background(this.tabs.run('abandon', key));
  }

  typing(chat: string, now: boolean): void {
    this.background(this.tabs.run('typing', chat, now));
  }

  look(chat: string): void {
    this.looking = chat;
    this.sayLook();
    if (chat === '' || !this.inside) return;
    this.env.notifications.clear(chat);
    this.background(
      this.store.markRead(chat).then((any) => {
        if (any) this.wrote({ chat, read: true });
      }),
    );
  }

  private look0(): Look {
    return { chat: this.looking, visible: this.env.visible() };
  }

  private sayLook(): void {
    this.tellLook(this.look0());
  }

  private tellLook(look: Look): void {
    this.inside?.engine?.look(this.tabs.id, look);
    if (this.inside) this.tabs.look(look);
  }

  async addContact(address: string, name: string, token = ''): Promise<void> {
    await this.tabs.run('addContact', address, name, token);
  }

  async answer(address: string, accept: boolean): Promise<void> {
    await this.tabs.run('answer', address, accept);
  }

  async rename(address: string, name: string): Promise<void> {
    await this.tabs.run('rename', address, name);
  }

  async remove(address: string): Promise<void> {
    await this.tabs.run('remove', address);
  }

  async invite(): Promise<Invitation> {
    return this.tabs.run('invite');
  }

  async sendFile(chat: string, file: NewFile, caption: string): Promise<void> {
    const { store, address } = this.inside ?? { store: this.store, address: '' };
    const common = { chat, from: address, mine: true, time: this.env.now(), state: 'queued' } as const;
    const [key, textKey] = [crypto.randomUUID(), crypto.randomUUID()];
    const { blob, name, width, height } = file;
    const own = { ...common, key, originId: key, body: '', file: { url: '', name, type: blob.type, size: blob.size, width, height } };
    await store.enqueueFile(own, blob, caption === '' ? undefined : { ...common, key: textKey, originId: textKey, body: caption });
    this.wrote({ chat, outbox: true });
  }

  async localFile(key: string): Promise<Blob | undefined> {
    return this.store.file(key);
  }

  async setName(name: string): Promise<void> {
    await this.tabs.run('setName', name);
  }

  async setAvatar(picture: Picture | undefined): Promise<void> {
    await this.tabs.run('setAvatar', picture);
  }

  async block(address: string, report: ReportReason): Promise<void> {
    await this.tabs.run('block', address, report);
  }

  async unblock(address: string): Promise<void> {
    await this.tabs.run('unblock', address);
  }

  async devices(): Promise<readonly DeviceInfo[]> {
    return this.tabs.run('devices');
  }

  async signOut(ids: readonly string[]): Promise<void> {
    await this.tabs.run('signOut', ids);
  }

  async enableNotifications(): Promise<void> {
    const { store } = this;
    await this.env.notifications.ask();
    this.notifications.value = this.env.notifications.state();
    if (this.notifications.value !== 'on') return;
    if (this.env.push.support() !== 'yes') return this.unsilence(store);
    try {
      const key = await this.tabs.run('pushKey');
      if (key === '') throw new CommandError('no-push');
      const old = await this.env.push.current();
      const to = old?.key === key ? old : await this.subscribe(key);
      await this.tabs.run('pushEnable', { endpoint: to.endpoint, p256dh: to.p256dh, auth: to.auth });
    } catch (e) {
      await this.unsilence(store); // while the app is open it can tell by itself
      throw e;
    }
  }

  private async subscribe(key: string): Promise<Endpoint> {
    try {
      return await this.env.push.subscribe(key);
    } catch (e) {
      throw new CommandError('push', e instanceof Error ? e.message : '');
    }
  }

  private async unsilence(store: Store): Promise<void> {
    if ((await store.kept('push')) !== false) return;
    await store.forgetKept('push');
    this.wrote({ kept: true });
  }

  async disableNotifications(): Promise<void> {
    await this.store.keep('push', false);
    this.wrote({ kept: true });
    await this.env.push.unsubscribe().catch(() => {});
    await this.tabs.run('pushDisable');
  }

  async pushDevices(): Promise<readonly PushDevice[]> {
    return this.tabs.run('pushDevices');
  }

  async testPush(): Promise<string> {
    return this.tabs.run('testPush');
  }

  async setDiscreet(discreet: boolean): Promise<void> {
    await this.store.keep('discreet', discreet);
    this.wrote({ kept: true });
  }

  /** For what nobody waits for: the next change of the connection or the database makes up for it. */
  private background(work: Promise<unknown>): void {
    work.catch(() => {});
  }
}

/** Deletes what is kept of an account. Tabs that sleep hold it a little longer; the person does not wait for them. */
async function forget(address: string): Promise<void> {
  await Promise.race([Store.forget(address).catch(() => {}), new Promise((done) => setTimeout(done, FORGET))]);
}
