// SPDX-License-Identifier: Apache-2.0

// The browser as core/ sees it.
import type { Channel, Env, Locks, Note, Notifications } from '../core/env';
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
    onLeave: (f) => addEventListener('pagehide', f),
    notifications,
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
  show(note) {
    if (notifications.state() === 'on') void show(note);
  },
  clear(chat) {
    void registration().then(async (r) => {
      for (const n of (await r?.getNotifications({ tag: tagOf(chat) })) ?? []) n.close();
    });
  },
};

async function show({ chat, title, body }: Note): Promise<void> {
  // The service worker's listener opens the chat when it is clicked.
  const options: NotificationOptions = { body: body || t('notify.encrypted'), tag: tagOf(chat), icon: '/icon-192.png', data: { chat } };
  const worker = await registration();
  try {
    if (worker?.active) await worker.showNotification(title, options);
    else new Notification(title, options).addEventListener('click', () => focus());
  } catch {
    // Some browsers let only an installed app notify; the count of unread messages is still there.
  }
}

async function registration(): Promise<ServiceWorkerRegistration | undefined> {
  return 'serviceWorker' in navigator ? navigator.serviceWorker.getRegistration() : undefined;
}

function tagOf(chat: string): string {
  return `chat:${chat}`;
}

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
