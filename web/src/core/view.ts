// SPDX-License-Identifier: Apache-2.0

// What the screens may see of the app, and what they may ask of it. The screens read signals and call
// commands; they know no XML, no network and no database. core/app.ts implements it; tests of the screens
// use a fake.
import type { ReadonlySignal } from '@preact/signals';

/** connection: 'waiting' = offline, the next try is planned (or the browser says there is no network). */
export type Connection = 'online' | 'connecting' | 'waiting';

export type Session =
  | { kind: 'loading' }
  /** address: to fill into the form; 'code-used': the link of a sign-up was used before or is too old. */
  | { kind: 'out'; reason?: 'signed-out' | 'password-changed' | 'disabled' | 'code-used'; address?: string }
  | { kind: 'in'; address: string; name: string };

/** The states of an outgoing message (see "States of a message"): queued → sent → acked ✓ → delivered ✓✓; or failed. */
export type SendState = 'queued' | 'sent' | 'acked' | 'delivered' | 'failed';

/** Why a message could not be delivered, for a sentence on the screen. */
export type Failure =
  | 'no-such-person' | 'refused' | 'blocked' | 'server' | 'remote-server' | 'too-large'
  | 'file-too-large' | 'file-lost' | 'no-uploads' | 'quota' | 'upload';

/** A file that a message is. */
export interface SharedFile {
  readonly url: string; // '' while it is still on this device only
  readonly name: string;
  readonly type: string; // '' = not said
  readonly size: number; // bytes, 0 = not said
  readonly width: number; // pixels, 0 = not said or no picture
  readonly height: number;
  readonly kind: 'picture' | 'video' | 'audio' | 'file'; // how it is shown
}

export interface Message {
  readonly key: string; // unique, stable over reloads
  readonly chat: string; // bare address
  readonly mine: boolean;
  readonly time: number; // ms since 1970
  readonly body: string; // '' where unreadable
  readonly unreadable?: 'encrypted'; // for other devices: this one cannot read it
  readonly file?: SharedFile; // the body is its address
  readonly state?: SendState; // mine only
  readonly failure?: Failure; // state 'failed' only
  readonly retryAt?: number; // failure 'quota' only: when it can go through, ms since 1970
}

/** A file to be sent. */
export interface NewFile {
  readonly blob: Blob;
  readonly name: string;
  readonly width: number; // pixels, 0 where it is no picture
  readonly height: number;
}

export interface Chat {
  readonly address: string;
  readonly name: string;
  readonly preview: string; // last message, one line; '' for an empty chat
  readonly last?: Message;
  readonly time: number; // of the last message; 0 where there is none
  readonly unread: number;
  readonly typing: boolean; // they are typing now
}

export type Show = 'online' | 'away' | 'busy' | 'offline';

export interface Contact {
  readonly address: string;
  readonly name: string; // chosen name, else the part before @
  readonly show: Show;
  readonly status: string; // what they wrote beside their presence; '' for nothing
  readonly mutual: boolean; // both see each other's presence
  readonly asked: boolean; // we asked and they have not answered yet
}

/** A picture of somebody: a square, image/png or image/jpeg. */
export interface Picture {
  readonly blob: Blob;
  readonly width: number; // pixels
  readonly height: number;
}

/** What to tell who runs the server about somebody one blocks; '': nothing. */
export type ReportReason = '' | 'spam' | 'abuse';

/** A device that is signed in to the account. Times are ms since 1970, 0 = not known. */
export interface DeviceInfo {
  readonly id: string;
  readonly here: boolean; // this one
  readonly connected: boolean;
  readonly firstSeen: number;
  readonly lastSeen: number;
  readonly software: string; // '' = not known
  readonly device: string;
  readonly network: string; // where it was last, roughly; '' = not known
  readonly password: boolean; // it was given the password: only another one keeps it out
}

/** A device that is told of messages while its app is closed. Times as above; 0 = never. */
export interface PushDevice {
  readonly id: string;
  readonly here: boolean;
  readonly name: string; // '' = not known
  readonly service: string; // through whom
  readonly since: number;
  readonly sent: number;
  readonly failed: number; // 0: it works
  readonly error: string; // why it failed last: gone, refused, busy, unreachable, …
}

/** Whether this device is told of messages while the app is closed. 'install': only once the app is on the home screen. */
export type PushState = 'on' | 'off' | 'install' | 'unsupported';

/** Somebody asks to be a contact. */
export interface Request {
  readonly address: string;
  readonly note: string; // '' for none
}

export interface Invitation {
  readonly url: string; // https://…/invite/TOKEN, to share
  readonly qr: string; // address of an SVG image of the same, on this server
  readonly expires: number; // ms since 1970
}

/** Messages that the server has and this device has not, somewhere in a chat. */
export interface Gap {
  readonly id: string;
  readonly before: string; // key of the first message after it, '' = it is at the end
  readonly busy: boolean; // some are being fetched
}

/** How far a long catching up is, in messages. */
export interface CatchUp {
  readonly done: number;
  readonly total?: number; // missing: not known
  readonly paused: boolean;
}

/** One open timeline: the newest messages at the end; more come with older(). Close it when the view goes. */
export interface Timeline {
  readonly messages: ReadonlySignal<readonly Message[]>;
  readonly complete: ReadonlySignal<boolean>; // there is nothing older, neither here nor on the server
  readonly loading: ReadonlySignal<boolean>; // older() waits for the server
  readonly gaps: ReadonlySignal<readonly Gap[]>; // the oldest first
  /** The first message that was unread when the timeline was opened; '' for none. */
  readonly unreadFrom: string;
  /** Rejects with a CommandError where the server has to be asked and cannot be. */
  older(): Promise<void>;
  /** Fetches some of a gap, from its end; it is gone when there are no more. */
  fill(id: string): Promise<void>;
  close(): void;
}

/** A command that fails rejects with a CommandError, whose reason the screen turns into a sentence. */
export type Reason =
  | 'wrong-password' | 'unknown-domain' | 'unreachable' | 'slow-down' | 'disabled' // log in
  | 'password-needed' | 'file-too-large' | 'push' | 'no-push'
  | 'bad-address' | 'own-address' | 'weak-password' | 'current-password' | 'refused' | 'offline' | 'timeout' | 'server' | 'code-used';

export class CommandError extends Error {
  constructor(readonly reason: Reason, detail = '') {
    super(detail || reason);
    this.name = 'CommandError';
  }
}

export interface App {
  /** The domain whose accounts this server keeps: "name" alone means name@domain in the log-in form. */
  readonly domain: string;
  readonly session: ReadonlySignal<Session>;
  readonly connection: ReadonlySignal<Connection>;
  readonly chats: ReadonlySignal<readonly Chat[]>; // newest first
  readonly contacts: ReadonlySignal<readonly Contact[]>; // by name; people who are away are shown as well
  readonly requests: ReadonlySignal<readonly Request[]>;
  readonly unread: ReadonlySignal<number>; // of all chats
  readonly catchUp: ReadonlySignal<CatchUp | undefined>; // a long catching up that is under way
  /** Holds it up, or lets it go on. */
  holdCatchUp(hold: boolean): void;

  logIn(address: string, password: string): Promise<void>;
  /** Forgets this account on this device: token, contacts, history. */
  logOut(): Promise<void>;
  changePassword(current: string, next: string): Promise<void>;
  /** Retries now instead of when the back-off ends. */
  reconnect(): void;

  timeline(chat: string): Promise<Timeline>;
  send(chat: string, body: string): Promise<void>; // resolves when it is kept on this device; works offline
  resend(key: string): Promise<void>; // a failed message, again
  discard(key: string): Promise<void>; // a failed or queued message
  typing(chat: string, now: boolean): void;
  /** The person sees this chat now (visible and focused); '' when none. Marks read, stops notifications for it. */
  look(chat: string): void;

  /** token is that of an invitation by which we came to the address: then they need not answer. */
  addContact(address: string, name: string, token?: string): Promise<void>;
  answer(address: string, accept: boolean): Promise<void>;
  rename(address: string, name: string): Promise<void>;
  remove(address: string): Promise<void>;
  invite(): Promise<Invitation>;

  /** The pictures of people, oneself included: address of the person → address of a picture on this device. */
  readonly avatars: ReadonlySignal<ReadonlyMap<string, string>>;
  /** The name by which others see oneself, '' for none. */
  readonly ownName: ReadonlySignal<string>;
  setName(name: string): Promise<void>;
  setAvatar(picture: Picture | undefined): Promise<void>;

  readonly blocked: ReadonlySignal<ReadonlySet<string>>; // addresses
  block(address: string, report: ReportReason): Promise<void>;
  unblock(address: string): Promise<void>;

  devices(): Promise<readonly DeviceInfo[]>;
  signOut(ids: readonly string[]): Promise<void>;

  /** Resolves when it is kept on this device; works offline. caption: a text that follows it, '' for none. */
  sendFile(chat: string, file: NewFile, caption: string): Promise<void>;
  /** How far the files are that are being uploaded, by key of the message: 0 to 1. */
  readonly uploads: ReadonlySignal<Readonly<Record<string, number>>>;
  /** The file of a message that is not uploaded yet. */
  localFile(key: string): Promise<Blob | undefined>;
  /** The largest file the server takes, in bytes; 0: no limit is known. undefined: it takes none. */
  readonly fileLimit: ReadonlySignal<number | undefined>;

  /** Notifications: 'ask' = not asked yet; enableNotifications() must come from a click. */
  readonly notifications: ReadonlySignal<'ask' | 'on' | 'off' | 'unsupported'>;
  /** Asks for the permission and, where the browser and the server can, has this device told of messages while the app is closed. */
  enableNotifications(): Promise<void>;
  /** This device shows no notifications any more, until they are enabled again. */
  disableNotifications(): Promise<void>;
  /** The person turned notifications off on this device, though the browser would allow them. */
  readonly silenced: ReadonlySignal<boolean>;
  readonly push: ReadonlySignal<PushState>;
  pushDevices(): Promise<readonly PushDevice[]>;
  /** Has the server push a test to this device. '' where the push service took it, else why not (PushDevice.error). */
  testPush(): Promise<string>;
  /** Notifications on this device do not say who wrote what. */
  readonly discreet: ReadonlySignal<boolean>;
  setDiscreet(discreet: boolean): Promise<void>;
}
