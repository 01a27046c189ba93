// SPDX-License-Identifier: Apache-2.0

// An App without a server, for tests of the screens and for looking at them. It keeps everything in memory,
// answers like a friendly person, and lets a test turn the dials: who asks, who types, what fails.
import { computed, signal, type Signal } from '@preact/signals';
import {
  CommandError,
  type App,
  type CatchUp,
  type Chat,
  type Connection,
  type Contact,
  type DeviceInfo,
  type Failure,
  type Gap,
  type Invitation,
  type Message,
  type NewFile,
  type Picture,
  type PushDevice,
  type PushState,
  type Reason,
  type ReportReason,
  type Request,
  type SendState,
  type Session,
  type Timeline,
} from '../../core/view';

const PAGE = 30; // messages in one page of a timeline

export interface FakeOptions {
  readonly session?: Session;
  readonly now?: number; // ms; the time messages get, counted on from there. Absent: the clock
  readonly delay?: number; // ms between two states of a message, 0 = no timers at all: a test steps by itself
  readonly answers?: boolean; // friends write back
}

export class FakeApp implements App {
  readonly domain = 'example.org';
  readonly session: Signal<Session>;
  readonly connection = signal<Connection>('online');
  readonly contacts = signal<readonly Contact[]>([]);
  readonly requests = signal<readonly Request[]>([]);
  readonly notifications = signal<'ask' | 'on' | 'off' | 'unsupported'>('ask');
  readonly catchUp = signal<CatchUp | undefined>(undefined);
  readonly gaps = signal<readonly Gap[]>([]); // of the timeline that is open
  readonly silenced = signal(false);
  readonly push = signal<PushState>('off');
  readonly discreet = signal(false);
  readonly avatars = signal<ReadonlyMap<string, string>>(new Map());
  readonly ownName = signal('');
  readonly blocked = signal<ReadonlySet<string>>(new Set());
  readonly uploads = signal<Readonly<Record<string, number>>>({});
  readonly fileLimit = signal<number | undefined>(100_000_000);
  readonly files = new Map<string, Blob>(); // by key of the message
  accessed: readonly DeviceInfo[] = [];
  pushed: readonly PushDevice[] = [];
  tested = ''; // what a test of the push says
  readonly #log = signal<ReadonlyMap<string, readonly Message[]>>(new Map());
  readonly #read = signal<ReadonlyMap<string, number>>(new Map()); // chat → how many messages were seen
  readonly #typing = signal<ReadonlySet<string>>(new Set());
  readonly #options: FakeOptions;
  #keys = 0;
  #seen = '';
  #abort: (() => void) | undefined;

  /** fail makes the next command of that name reject. */
  readonly fail = new Map<string, Reason>();
  /** calls is what was asked, in order, as "name argument …". */
  readonly calls: string[] = [];

  constructor(options: FakeOptions = {}) {
    this.#options = options;
    this.session = signal(options.session ?? { kind: 'in', address: 'robin@example.org', name: 'robin' });
  }

  readonly chats = computed<readonly Chat[]>(() =>
    [...this.#log.value]
      .map(([address, list]) => {
        const last = list.at(-1);
        return {
          address,
          name: this.#name(address),
          preview: last?.body.split('\n', 1)[0] ?? '',
          ...(last === undefined ? {} : { last }),
          time: last?.time ?? 0,
          unread: list.slice(this.#read.value.get(address) ?? 0).filter((m) => !m.mine).length,
          typing: this.#typing.value.has(address),
        };
      })
      .sort((a, b) => b.time - a.time),
  );
  readonly unread = computed(() => this.chats.value.reduce((n, c) => n + c.unread, 0));

  async logIn(address: string, password: string): Promise<void> {
    this.#called('logIn', address);
    await new Promise<void>((resolve) => {
      this.#abort = resolve;
      if (this.#options.delay !== 0) setTimeout(resolve, 1200);
      else resolve();
    });
    if (this.#abort === undefined) throw new CommandError('timeout');
    if (!address.endsWith('@' + this.domain)) throw new CommandError('unknown-domain');
    if (password === 'wrong') throw new CommandError('wrong-password');
    this.session.value = { kind: 'in', address, name: address.split('@')[0] ?? address };
  }

  async logOut(): Promise<void> {
    this.#called('logOut');
    const abort = this.#abort;
    this.#abort = undefined;
    abort?.();
    this.#log.value = new Map();
    this.contacts.value = [];
    this.requests.value = [];
    this.session.value = { kind: 'out' };
  }

  async changePassword(current: string, next: string): Promise<void> {
    this.#called('changePassword', current, next);
    await this.#wait();
    if (current === 'wrong') throw new CommandError('current-password');
    if (next.length < 10) throw new CommandError('weak-password');
  }

  reconnect(): void {
    this.#called('reconnect');
    this.connection.value = 'connecting';
    this.#later(1500, () => (this.connection.value = 'online'));
  }

  holdCatchUp(hold: boolean): void {
    this.#called('holdCatchUp', String(hold));
    if (this.catchUp.value !== undefined) this.catchUp.value = { ...this.catchUp.value, paused: hold };
  }

  async timeline(chat: string): Promise<Timeline> {
    this.#called('timeline', chat);
    const all = computed(() => this.#log.value.get(chat) ?? []);
    const from = signal(Math.max(0, all.value.length - PAGE));
    const unreadFrom = all.value.slice(this.#read.value.get(chat) ?? 0).find((m) => !m.mine)?.key ?? '';
    return {
      messages: computed(() => all.value.slice(from.value)),
      complete: computed(() => from.value === 0),
      loading: signal(false),
      gaps: this.gaps,
      fill: async (id) => {
        this.#called('fill', id);
        await this.#wait();
        this.gaps.value = this.gaps.value.filter((g) => g.id !== id);
      },
      unreadFrom,
      older: async () => {
        await this.#wait();
        from.value = Math.max(0, from.value - PAGE);
      },
      close: () => this.#called('close', chat),
    };
  }

  async send(chat: string, body: string): Promise<void> {
    this.#called('send', chat, body);
    const key = this.put(chat, body, { mine: true, state: 'queued' });
    if (this.connection.value === 'online') this.#travel(chat, key);
  }

  async resend(key: string): Promise<void> {
    this.#called('resend', key);
    const message = this.#find(key);
    if (message === undefined) return;
    this.state(key, 'queued');
    this.#travel(message.chat, key);
  }

  async discard(key: string): Promise<void> {
    this.#called('discard', key);
    const message = this.#find(key);
    if (message !== undefined) this.#change(message.chat, (list) => list.filter((m) => m.key !== key));
  }

  typing(chat: string, now: boolean): void {
    this.#called('typing', chat, String(now));
  }

  look(chat: string): void {
    if (chat === this.#seen) return;
    this.#called('look', chat);
    this.#seen = chat;
    this.#markSeen();
  }

  async addContact(address: string, name: string, token = ''): Promise<void> {
    this.#called('addContact', address, name, ...(token === '' ? [] : [token]));
    await this.#wait();
    if (!/^[^@\s]+@[^@\s]+\.[^@\s]+$/u.test(address)) throw new CommandError('bad-address');
    const session = this.session.value;
    if (session.kind === 'in' && address === session.address) throw new CommandError('own-address');
    this.befriend({ address, name: name === '' ? (address.split('@')[0] ?? address) : name, mutual: false, asked: true });
  }

  async answer(address: string, accept: boolean): Promise<void> {
    this.#called('answer', address, String(accept));
    await this.#wait();
    this.requests.value = this.requests.value.filter((r) => r.address !== address);
    if (accept) this.befriend({ address });
  }

  async rename(address: string, name: string): Promise<void> {
    this.#called('rename', address, name);
    await this.#wait();
    this.contacts.value = this.contacts.value.map((c) => (c.address === address ? { ...c, name } : c));
  }

  async remove(address: string): Promise<void> {
    this.#called('remove', address);
    await this.#wait();
    this.contacts.value = this.contacts.value.filter((c) => c.address !== address);
  }

  async invite(): Promise<Invitation> {
    this.#called('invite');
    await this.#wait();
    const url = 'https://example.org/invite/q3Yk7cTn0mVfZJwRrT5XhA';
    return { url, qr: '/src/ui/testing/qr.svg', expires: this.#now() + 7 * 86_400_000 };
  }

  async setName(name: string): Promise<void> {
    this.#called('setName', name);
    await this.#wait();
    this.ownName.value = name;
  }

  async setAvatar(picture: Picture | undefined): Promise<void> {
    this.#called('setAvatar', picture === undefined ? 'none' : `${picture.blob.type} ${picture.width}`);
    await this.#wait();
    const session = this.session.value;
    if (session.kind !== 'in') return;
    const next = new Map(this.avatars.value);
    if (picture === undefined) next.delete(session.address);
    else next.set(session.address, URL.createObjectURL(picture.blob));
    this.avatars.value = next;
  }

  async block(address: string, report: ReportReason): Promise<void> {
    this.#called('block', address, ...(report === '' ? [] : [report]));
    await this.#wait();
    this.blocked.value = new Set(this.blocked.value).add(address);
  }

  async unblock(address: string): Promise<void> {
    this.#called('unblock', address);
    await this.#wait();
    this.blocked.value = new Set([...this.blocked.value].filter((a) => a !== address));
  }

  async devices(): Promise<readonly DeviceInfo[]> {
    this.#called('devices');
    await this.#wait();
    return this.accessed;
  }

  async signOut(ids: readonly string[]): Promise<void> {
    this.#called('signOut', ...ids);
    await this.#wait();
    this.accessed = this.accessed.filter((d) => !ids.includes(d.id));
  }

  async sendFile(chat: string, file: NewFile, caption: string): Promise<void> {
    this.#called('sendFile', chat, file.name, ...(caption === '' ? [] : [caption]));
    const { blob, name, width, height } = file;
    const kind = blob.type.startsWith('image/') ? 'picture' : 'file';
    const key = this.put(chat, '', { mine: true, state: 'queued', file: { url: '', name, type: blob.type, size: blob.size, width, height, kind } });
    this.files.set(key, blob);
    if (caption !== '') this.put(chat, caption, { mine: true, state: 'queued' });
  }

  async localFile(key: string): Promise<Blob | undefined> {
    return this.files.get(key);
  }

  async enableNotifications(): Promise<void> {
    this.#called('enableNotifications');
    this.notifications.value = 'on';
    this.silenced.value = false;
    if (this.push.value === 'off') this.push.value = 'on';
  }

  async disableNotifications(): Promise<void> {
    this.#called('disableNotifications');
    this.silenced.value = true;
    if (this.push.value === 'on') this.push.value = 'off';
  }

  async pushDevices(): Promise<readonly PushDevice[]> {
    this.#called('pushDevices');
    await this.#wait();
    return this.pushed;
  }

  async testPush(): Promise<string> {
    this.#called('testPush');
    await this.#wait();
    return this.tested;
  }

  async setDiscreet(discreet: boolean): Promise<void> {
    this.#called('setDiscreet', String(discreet));
    this.discreet.value = discreet;
  }

  // What a test or a scene does from outside.

  /** befriend adds a contact, or changes it. */
  befriend(contact: Partial<Contact> & { readonly address: string }): void {
    const whole: Contact = {
      name: contact.address.split('@')[0] ?? contact.address,
      show: 'offline',
      status: '',
      mutual: true,
      asked: false,
      ...contact,
    };
    const others = this.contacts.value.filter((c) => c.address !== contact.address);
    this.contacts.value = [...others, whole].sort((a, b) => a.name.localeCompare(b.name));
  }

  /** put adds a message to a chat and returns its key. ago is minutes before now. */
  put(chat: string, body: string, more: Partial<Message> & { readonly ago?: number; readonly read?: boolean } = {}): string {
    const { ago = 0, read = false, ...fields } = more;
    const key = 'm' + ++this.#keys;
    const message: Message = { key, chat, mine: false, time: this.#now() - ago * 60_000, body, ...fields };
    this.#change(chat, (list) => [...list, message].sort((a, b) => a.time - b.time));
    if (read) this.#read.value = new Map(this.#read.value).set(chat, this.#log.value.get(chat)?.length ?? 0);
    this.#markSeen();
    return key;
  }

  /** state moves a message on. */
  state(key: string, state: SendState, failure?: Failure): void {
    const message = this.#find(key);
    if (message === undefined) return;
    const { failure: _old, ...rest } = message;
    const next: Message = failure === undefined ? { ...rest, state } : { ...rest, state, failure };
    this.#change(message.chat, (list) => list.map((m) => (m.key === key ? next : m)));
  }

  /** type lets a friend begin or end to type. */
  type(chat: string, now: boolean): void {
    const set = new Set(this.#typing.value);
    if (now) set.add(chat);
    else set.delete(chat);
    this.#typing.value = set;
    if (!this.#log.value.has(chat)) this.#change(chat, (list) => list);
  }

  #travel(chat: string, key: string): void {
    const step = this.#options.delay ?? 350;
    this.#later(step, () => this.state(key, 'sent'));
    this.#later(step * 2, () => this.state(key, 'acked'));
    this.#later(step * 4, () => this.state(key, 'delivered'));
    if (this.#options.answers !== true) return;
    this.#later(step * 5, () => this.type(chat, true));
    this.#later(step * 12, () => {
      this.type(chat, false);
      this.put(chat, ANSWERS[this.#keys % ANSWERS.length] ?? 'Yes!');
    });
  }

  #markSeen(): void {
    if (this.#seen === '') return;
    const length = this.#log.value.get(this.#seen)?.length ?? 0;
    if (this.#read.value.get(this.#seen) !== length) this.#read.value = new Map(this.#read.value).set(this.#seen, length);
  }

  #change(chat: string, f: (list: readonly Message[]) => readonly Message[]): void {
    this.#log.value = new Map(this.#log.value).set(chat, f(this.#log.value.get(chat) ?? []));
  }

  #find(key: string): Message | undefined {
    return [...this.#log.value.values()].flat().find((m) => m.key === key);
  }

  #name(address: string): string {
    return this.contacts.value.find((c) => c.address === address)?.name ?? address.split('@')[0] ?? address;
  }

  #called(name: string, ...args: string[]): void {
    this.calls.push([name, ...args].join(' '));
    const reason = this.fail.get(name);
    if (reason === undefined) return;
    this.fail.delete(name);
    throw new CommandError(reason);
  }

  #now(): number {
    return this.#options.now ?? Date.now();
  }

  #wait(): Promise<void> {
    return this.#options.delay === 0 ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, this.#options.delay ?? 350));
  }

  #later(ms: number, f: () => void): void {
    if (this.#options.delay !== 0) setTimeout(f, ms);
  }
}

const ANSWERS = ['Sounds good!', '😀', 'Let me look and tell you later.', 'Ha, yes. See https://example.org/photos/2026 for more.', 'OK 👍'];
