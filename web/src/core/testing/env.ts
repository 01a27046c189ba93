// SPDX-License-Identifier: Apache-2.0

// A browser for tests of the app: tabs that share locks, a channel and a clock.
import { dial } from '../../stream/socket';
import type { Dial } from '../../stream/socket';
import type { Endpoint } from '../commands';
import type { Env, Locks, Note, PushService } from '../env';

/** One lock at a time per name, first come first served. */
class FakeLocks implements Locks {
  private readonly queues = new Map<string, Promise<void>>();

  async request(name: string, signal: AbortSignal, f: () => Promise<void>): Promise<void> {
    const before = this.queues.get(name) ?? Promise.resolve();
    const mine = before.then(async () => {
      if (!signal.aborted) await f();
    });
    this.queues.set(name, mine.catch(() => {}));
    await mine;
  }
}

export class FakeTab implements Env {
  readonly url = 'wss://kith.example/xmpp-websocket';
  readonly domain = 'kith.example';
  readonly version = '1';
  readonly device = 'Test';
  readonly notes: Note[] = [];
  readonly uploaded: { readonly url: string; readonly headers: readonly (readonly [string, string])[]; readonly file: Blob }[] = [];
  readonly answers: (number | Promise<number>)[] = []; // to the next uploads; then 201
  endpoint: (Endpoint & { key: string }) | undefined; // by which the browser can be reached
  seen = true;
  private readonly wakes = new Set<() => void>();
  private readonly leaves: (() => void)[] = [];
  private readonly ears: ((m: unknown) => void)[] = [];

  constructor(private readonly browser: FakeBrowser, readonly dial: Dial, readonly locks: Locks) {}

  readonly channel = {
    post: (message: unknown): void => {
      const copy: unknown = structuredClone(message);
      for (const tab of this.browser.tabs) if (tab !== this) for (const ear of tab.ears) queueMicrotask(() => ear(copy));
    },
    listen: (f: (m: unknown) => void): void => void this.ears.push(f),
  };

  readonly notifications = {
    state: (): 'on' => 'on',
    ask: async (): Promise<void> => {},
    show: (note: Note): void => void this.notes.push(note),
    clear: (): void => {},
  };

  private readonly changes = new Set<() => void>();
  readonly push: PushService = {
    support: () => 'yes',
    current: async () => this.endpoint,
    subscribe: async (key) => (this.endpoint = { endpoint: `https://push.example/${crypto.randomUUID()}`, p256dh: 'P', auth: 'A', key }),
    unsubscribe: async () => void (this.endpoint = undefined),
    onChange: (f) => {
      this.changes.add(f);
      return () => this.changes.delete(f);
    },
  };

  /** The browser changes its address by itself. */
  move(): void {
    this.endpoint = undefined;
    for (const f of this.changes) f();
  }

  upload: Env['upload'] = async (url, headers, file, progress) => {
    progress(0.5);
    this.uploaded.push({ url, headers, file });
    return (await this.answers.shift()) ?? 201;
  };

  now = (): number => this.browser.time ?? Date.now();
  connected = (): boolean => true;
  visible = (): boolean => this.seen;
  reload = (): void => {};

  onWake(f: () => void): () => void {
    this.wakes.add(f);
    return () => this.wakes.delete(f);
  }

  onLeave(f: () => void): void {
    this.leaves.push(f);
  }

  wake(): void {
    for (const f of this.wakes) f();
  }

  /** The tab says that it goes. */
  leave(): void {
    for (const f of this.leaves) f();
  }

  /** Closes the tab without a word, as a crash does. */
  crash(): void {
    this.browser.tabs.delete(this);
  }
}

export class FakeBrowser {
  readonly tabs = new Set<FakeTab>();
  time: number | undefined; // fixed, where a test sets it
  private readonly locks = new FakeLocks();

  constructor(private readonly dialer: Dial = dial) {}

  tab(): FakeTab {
    const tab = new FakeTab(this, this.dialer, this.locks);
    this.tabs.add(tab);
    return tab;
  }
}
