// SPDX-License-Identifier: Apache-2.0

// The service worker: the app starts without a network, the server's pushes are shown (push.ts), and a click on a
// notification opens its chat.
//
// The files of one build are kept together under a name that changes with any of them, so a page never mixes two
// builds. A new build is fetched beside the old one and waits until the person reloads (the page posts "activate")
// or closes the last tab. Messages are not its business: it keeps no answer of the server but the app's files.
import { badge, chatPath, dataOf, renew, show } from './push';
import { isScreen } from './screens';

declare const self: ServiceWorkerGlobalScope;
declare const __FILES__: readonly string[]; // the app's page and the files it needs
declare const __BUILD__: string; // changes with any of the files

const PREFIX = 'kith-files-';
const CACHE = PREFIX + __BUILD__;
const PAGE = '/';
const PICTURES: readonly string[] = ['/icon.svg', '/icon-192.png', '/manifest.webmanifest'];

self.addEventListener('install', (event) => event.waitUntil(keep()));

async function keep(): Promise<void> {
  const cache = await caches.open(CACHE);
  // Past the browser's own cache, which may hold the page of an older build.
  await cache.addAll([...__FILES__, ...PICTURES].map((path) => new Request(path, { cache: 'reload' })));
}

self.addEventListener('activate', (event) => event.waitUntil(takeOver()));

async function takeOver(): Promise<void> {
  for (const name of await caches.keys()) {
    if (name.startsWith(PREFIX) && name !== CACHE) await caches.delete(name);
  }
  await self.clients.claim();
}

self.addEventListener('message', (event: ExtendableMessageEvent) => {
  if (event.data === 'activate') event.waitUntil(self.skipWaiting());
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== self.location.origin) return;
  if (request.mode === 'navigate') {
    if (isScreen(url.pathname)) event.respondWith(kept(PAGE, request));
  } else if (__FILES__.includes(url.pathname) || PICTURES.includes(url.pathname)) {
    event.respondWith(kept(url.pathname, request));
  }
});

// kept answers from the files of this build, and asks the server where the browser has thrown them away.
async function kept(path: string, request: Request): Promise<Response> {
  const cache = await caches.open(CACHE);
  return (await cache.match(path)) ?? fetch(request);
}

self.addEventListener('push', (event) => event.waitUntil(show(event.data)));

self.addEventListener('pushsubscriptionchange', (event) => {
  event.waitUntil(renew(event.oldSubscription, event.newSubscription));
});

self.addEventListener('notificationclick', (event) => {
  event.notification.close();
  event.waitUntil(open(dataOf(event.notification).chat));
});

self.addEventListener('notificationclose', (event) => event.waitUntil(badge()));

async function open(chat: string): Promise<void> {
  const windows = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
  const client = windows.find((w) => w.focused) ?? windows.find((w) => isScreen(new URL(w.url).pathname));
  if (client === undefined) {
    await self.clients.openWindow(chat === '' ? PAGE : chatPath(chat));
    return;
  }
  if (chat !== '') client.postMessage({ open: chat });
  await client.focus();
}
