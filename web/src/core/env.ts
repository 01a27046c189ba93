// SPDX-License-Identifier: Apache-2.0

// What the app needs of the browser. boot/browser.ts is the real one; tests bring their own.
import type { Dial } from '../stream/socket';
import type { Endpoint } from './commands';

export interface Env {
  readonly domain: string; // whose accounts the server keeps
  readonly version: string; // of the app
  readonly url: string; // of the WebSocket
  readonly device: string; // for the list of devices: "Firefox, Linux"
  readonly dial: Dial;
  readonly locks: Locks;
  readonly channel: Channel; // to the other tabs
  now(): number; // ms since 1970
  /** Whether the browser says that there is a network at all. */
  connected(): boolean;
  /** Whether the person can see this tab. */
  visible(): boolean;
  /** The tab was shown or hidden, woke up, or the network is back. Returns how to stop. */
  onWake(f: () => void): () => void;
  /** Loads the page anew. */
  reload(): void;
  /** This tab goes away. */
  onLeave(f: () => void): void;
  readonly notifications: Notifications;
  readonly push: PushService;
  /**
   * Puts a file to an address of the web and resolves with the status of the answer: 0 where there was none, or signal
   * gave it up. progress hears the share that is done.
   */
  upload(
    url: string, headers: readonly (readonly [string, string])[], file: Blob, progress: (share: number) => void, signal: AbortSignal,
  ): Promise<number>;
}

/** navigator.locks, as far as it is used. */
export interface Locks {
  /** Runs f once the lock is free, and holds it until f is done; signal gives up waiting. */
  request(name: string, signal: AbortSignal, f: () => Promise<void>): Promise<void>;
}

/** A BroadcastChannel: what one tab posts, all others hear. */
export interface Channel {
  post(message: unknown): void;
  listen(f: (message: unknown) => void): void;
}

/** The push service of the browser. */
export interface PushService {
  /** 'install': only for an app on the home screen. */
  support(): 'yes' | 'install' | 'no';
  /** How the browser can be reached now; key: that of the server it was made for, '' where the browser does not say. */
  current(): Promise<(Endpoint & { readonly key: string }) | undefined>;
  /** Makes it reachable, in place of what there was. Rejects where the push service does not answer. */
  subscribe(key: string): Promise<Endpoint>;
  unsubscribe(): Promise<void>;
  /** The browser changed it by itself. Returns how to stop. */
  onChange(f: () => void): () => void;
}

export interface Note {
  readonly chat: string; // a later note of the same chat replaces it
  readonly title: string;
  readonly body: string; // '' where it cannot be read
  readonly file: boolean; // the body is the address of a file
}

export interface Notifications {
  state(): 'ask' | 'on' | 'off' | 'unsupported';
  ask(): Promise<void>;
  /** discreet: without saying who wrote what. */
  show(note: Note, discreet: boolean): void;
  clear(chat: string): void;
}
