// SPDX-License-Identifier: Apache-2.0

// Shows what the server pushes while no page has a connection. It looks names up and writes nothing: the message
// itself comes again over the stream, when the app is opened, and is kept then.
import { speaker } from '../i18n/notices';
import { Peek } from '../store/peek';
import { Profile } from '../store/profile';
import { parse } from '../xml/parse';
import { type Push, read } from '../xmpp/push';
import { type Note, noteOf, type Say } from './notes';

declare const self: ServiceWorkerGlobalScope;

const FRESH = 10_000; // ms in which the page may have shown the same message already

/** show makes a notification of a push. Where anything goes wrong it says that there is something new. */
export async function show(data: PushMessageData | null): Promise<void> {
  const say = speaker(self.navigator.languages);
  let push: Push | undefined;
  let peek: Peek | undefined;
  try {
    push = data ? read(parse(data.text())) : undefined;
    peek = push && (await ours(push)) ? await Peek.open(push.account) : undefined;
    await notify(push, peek, say);
  } catch {
    await self.registration.showNotification(say('new'), { body: say('open'), icon: ICON });
  } finally {
    peek?.close();
  }
}

const ICON = '/icon-192.png';

/** Whether it is for who is signed in here. */
async function ours(push: Push): Promise<boolean> {
  const profile = await Profile.open();
  try {
    return (await profile.get('account')) === push.account;
  } finally {
    profile.close();
  }
}

async function notify(push: Push | undefined, peek: Peek | undefined, say: Say): Promise<void> {
  const discreet = peek ? await peek.discreet() : true; // what is not known to be allowed is not said
  const chat = push?.chat ?? '';
  const note = noteOf(push, { name: (chat !== '' && (await peek?.name(chat))) || '', discreet }, say);
  if (await isSeen(note)) return;
  const shown = note.tag === '' ? [] : await self.registration.getNotifications({ tag: note.tag });
  const again = shown.some((n) => Date.now() - (dataOf(n).at ?? 0) < FRESH);
  const picture = discreet || chat === '' ? undefined : await peek?.picture(chat);
  const options: NotificationOptions & { renotify?: boolean; timestamp?: number } = {
    body: note.body,
    icon: picture ? await dataUrl(picture) : ICON,
    data: { chat: note.chat, count: note.count, at: Date.now() },
    ...(note.tag === '' ? {} : { tag: note.tag, renotify: !note.silent && !again }),
    ...(push?.stamp ? { timestamp: push.stamp } : {}),
    ...(note.rings ? { requireInteraction: true } : {}),
    ...(note.silent ? { silent: true } : {}),
  };
  await self.registration.showNotification(note.title, options);
  await badge(peek);
}

/**
 * Whether the person looks at that chat now. Chromium and Firefox let that be; Apple does not, and says of an app in
 * the background that it has the focus.
 */
async function isSeen(note: Note): Promise<boolean> {
  if (note.chat === '' || note.rings || /iPhone|iPad|Macintosh/.test(self.navigator.userAgent)) return false;
  const path = chatPath(note.chat);
  const windows = await self.clients.matchAll({ type: 'window' });
  return windows.some((w) => w.focused && w.visibilityState === 'visible' && new URL(w.url).pathname === path);
}

/** The number on the icon; a page that is open counts better than we can. */
export async function badge(known?: Peek): Promise<void> {
  if (!('setAppBadge' in self.navigator) || (await self.clients.matchAll({ type: 'window' })).length > 0) return;
  const notes = await self.registration.getNotifications();
  const here = notes.reduce((n, note) => n + (dataOf(note).count ?? 0), 0);
  const n = here + ((await known?.unread()) ?? 0);
  await (n > 0 ? self.navigator.setAppBadge(n) : self.navigator.clearAppBadge()).catch(() => undefined);
}

/** renew follows the browser to another push address. The page tells the server; without one the person has to open it. */
export async function renew(old: PushSubscription | null, fresh: PushSubscription | null): Promise<void> {
  const key = old?.options.applicationServerKey;
  if (!fresh && key) await self.registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key }).catch(() => undefined);
  const windows = await self.clients.matchAll({ type: 'window' });
  for (const w of windows) w.postMessage({ subscription: 'changed' });
  if (windows.length > 0) return;
  const say = speaker(self.navigator.languages);
  await self.registration.showNotification(say('renew'), { body: say('renew.text'), icon: ICON, tag: 'renew' });
}

/** What we put into a notification, or a page did. */
export function dataOf(note: Notification): { readonly chat: string; readonly count?: number; readonly at?: number } {
  const data: unknown = note.data;
  if (typeof data !== 'object' || data === null) return { chat: '' };
  return {
    chat: 'chat' in data && typeof data.chat === 'string' ? data.chat : '',
    ...('count' in data && typeof data.count === 'number' ? { count: data.count } : {}),
    ...('at' in data && typeof data.at === 'number' ? { at: data.at } : {}),
  };
}

export function chatPath(chat: string): string {
  return '/c/' + encodeURIComponent(chat).replace(/%40/gu, '@');
}

async function dataUrl(blob: Blob): Promise<string> {
  let s = '';
  for (const byte of new Uint8Array(await blob.arrayBuffer())) s += String.fromCharCode(byte);
  return `data:${blob.type};base64,${btoa(s)}`;
}
