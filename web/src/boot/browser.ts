// SPDX-License-Identifier: Apache-2.0

// The browser as core/ sees it.
import type { Channel, Env, Locks, Note, Notifications, PushService } from '../core/env';
import { t } from '../i18n';
import { dial } from '../stream/socket';

/** What the server says of itself at /app.json. */
export interface ServerInfo {
  readonly domain: string;
  readonly name: string;
  readonly version: string;
}

export function browserEnv(info: ServerInfo): Env {
  const woken = new Set<() => void>();
  const wake = (): void => {
    for (const f of woken) f();
  };
  document.addEventListener('visibilitychange', wake);
  addEventListener('online', wake);
  addEventListener('pageshow', wake);
  return {
    domain: info.domain,
    version: info.version,
    url: `${location.origin.replace(/^http/, 'ws')}/xmpp-websocket`,
    device: deviceName(navigator.userAgent),
    dial,
    locks,
    channel: channel('kith'),
    now: () => Date.now(),
    connected: () => navigator.onLine,
    visible: () => document.visibilityState === 'visible',
    onWake(f) {
      woken.add(f);
      return () => woken.delete(f);
    },
    reload: () => location.reload(),
    onLeave(f) {
      addEventListener('pagehide', f);
      document.addEventListener('freeze', f); // the page may be thrown away without another word
    },
    notifications,
    push,
    upload,
  };
}

const locks: Locks = {
  request: async (name, signal, f) => {
    await navigator.locks.request(name, { signal }, f);
  },
};

function channel(name: string): Channel {
  const c = new BroadcastChannel(name);
  return {
    post: (message) => c.postMessage(message),
    listen: (f) => c.addEventListener('message', (e: MessageEvent<unknown>) => f(e.data)),
  };
}

const STATES = { default: 'ask', granted: 'on', denied: 'off' } as const;

const notifications: Notifications = {
  state: () => ('Notification' in globalThis ? STATES[Notification.permission] : 'unsupported'),
  async ask() {
    if ('Notification' in globalThis) await Notification.requestPermission();
  },
  show(note, discreet) {
    if (notifications.state() === 'on') void show(note, discreet);
  },
  clear(chat) {
    void registration().then(async (r) => {
      for (const tag of [tagOf(chat), DISCREET]) for (const n of (await r?.getNotifications({ tag })) ?? []) n.close();
    });
  },
};

async function show({ chat, title, body, file }: Note, discreet: boolean): Promise<void> {
  // The service worker's listener opens the chat when it is clicked, and its push of the same message comes in its place.
  const words = discreet ? t('notify.discreet') : file ? t('notify.file') : body || t('notify.encrypted');
  const data = { chat: discreet ? '' : chat, at: Date.now() };
  const options: NotificationOptions = { body: words, tag: discreet ? DISCREET : tagOf(chat), icon: '/icon-192.png', data };
  const worker = await registration();
  try {
    if (worker?.active) await worker.showNotification(discreet ? 'Kith' : title, options);
    else new Notification(discreet ? 'Kith' : title, options).addEventListener('click', () => focus());
  } catch {
    // Some browsers let only an installed app notify; the count of unread messages is still there.
  }
}

async function registration(): Promise<ServiceWorkerRegistration | undefined> {
  return 'serviceWorker' in navigator ? navigator.serviceWorker.getRegistration() : undefined;
}

const DISCREET = 'new'; // the tags are those of sw/notes.ts

function tagOf(chat: string): string {
  return `chat:${chat}`;
}

const PATIENCE = 20_000; // ms: without a network some browsers never answer

const push: PushService = {
  support() {
    if ('serviceWorker' in navigator && 'PushManager' in globalThis && 'Notification' in globalThis) return 'yes';
    return isApple() && !matchMedia('(display-mode: standalone)').matches ? 'install' : 'no';
  },
  async current() {
    const found = await (await registration())?.pushManager?.getSubscription();
    return found ? endpointOf(found) : undefined;
  },
  async subscribe(key) {
    const late = new Promise<never>((_, fail) => setTimeout(() => fail(new Error('the push service does not answer')), PATIENCE));
    const made = async (): Promise<PushSubscription> => {
      const { pushManager } = await navigator.serviceWorker.ready;
      await (await pushManager.getSubscription())?.unsubscribe(); // one for another key would be in the way
      return pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
    };
    return endpointOf(await Promise.race([made(), late]));
  },
  async unsubscribe() {
    await (await (await registration())?.pushManager?.getSubscription())?.unsubscribe();
  },
  onChange(f) {
    if (!('serviceWorker' in navigator)) return () => {};
    const hear = (event: MessageEvent<unknown>): void => {
      if (typeof event.data === 'object' && event.data !== null && 'subscription' in event.data) f();
    };
    navigator.serviceWorker.addEventListener('message', hear);
    return () => navigator.serviceWorker.removeEventListener('message', hear);
  },
};

function endpointOf(s: PushSubscription): { endpoint: string; p256dh: string; auth: string; key: string } {
  const { keys } = s.toJSON();
  const own = s.options?.applicationServerKey;
  const key = own ? btoa(String.fromCharCode(...new Uint8Array(own))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '') : '';
  return { endpoint: s.endpoint, p256dh: keys?.['p256dh'] ?? '', auth: keys?.['auth'] ?? '', key };
}

// A tablet of Apple's calls itself a computer, but no computer of theirs can be touched.
function isApple(): boolean {
  return /iPhone|iPad/.test(navigator.userAgent) || (/Macintosh/.test(navigator.userAgent) && navigator.maxTouchPoints > 1);
}

// fetch() does not say how far it is.
const upload: Env['upload'] = (url, headers, file, progress, signal) =>
  new Promise((done) => {
    const request = new XMLHttpRequest();
    const end = (status: number): void => {
      signal.removeEventListener('abort', stop);
      done(status);
    };
    const stop = (): void => request.abort();
    request.upload.addEventListener('progress', (e) => progress(e.total > 0 ? e.loaded / e.total : 0));
    request.addEventListener('load', () => end(request.status));
    for (const type of ['error', 'abort', 'timeout']) request.addEventListener(type, () => end(0));
    request.open('PUT', url);
    for (const [name, value] of headers) if (name.toLowerCase() !== 'cookie') request.setRequestHeader(name, value); // no script may
    if (file.type !== '') request.setRequestHeader('Content-Type', file.type);
    signal.addEventListener('abort', stop);
    if (signal.aborted) end(0);
    else request.send(file);
  });

const BROWSERS: readonly [RegExp, string][] = [
  [/Edg\//, 'Edge'],
  [/OPR\//, 'Opera'],
  [/Firefox\/|FxiOS\//, 'Firefox'],
  [/Chrome\/|CriOS\//, 'Chrome'],
  [/Safari\//, 'Safari'],
];

const SYSTEMS: readonly [RegExp, string][] = [
  [/Android/, 'Android'],
  [/iPhone|iPad/, 'iOS'],
  [/Windows/, 'Windows'],
  [/Mac OS X/, 'macOS'],
  [/CrOS/, 'ChromeOS'],
  [/Linux/, 'Linux'],
];

/** deviceName is what a person calls this device in a list of theirs: "Firefox, Linux". */
export function deviceName(userAgent: string): string {
  const find = (table: readonly [RegExp, string][], otherwise: string): string => table.find(([re]) => re.test(userAgent))?.[1] ?? otherwise;
  const browser = find(BROWSERS, 'Browser');
  const system = find(SYSTEMS, '');
  return system === '' ? browser : `${browser}, ${system}`;
}
