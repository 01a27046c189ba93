// SPDX-License-Identifier: Apache-2.0

// Where the person is, as a signal, and the address bar that says the same. Screens link with real addresses
// (<a href>), so that "open in a new tab" and the back button do what they do everywhere.
import { signal, type ReadonlySignal } from '@preact/signals';

export type Route =
  | { readonly at: 'chats' }
  | { readonly at: 'chat'; readonly address: string }
  | { readonly at: 'new' }
  | { readonly at: 'contact'; readonly address: string }
  | { readonly at: 'settings'; readonly page?: Page };

/** The pages of the settings, beside the first. */
export const PAGES = ['profile', 'notifications', 'privacy', 'devices'] as const;
export type Page = (typeof PAGES)[number];

/** parse reads the path of a location; what is unknown is the list of chats. */
export function parse(path: string): Route {
  const [, head = '', rest = ''] = /^\/([^/]*)\/?(.*?)\/?$/u.exec(path) ?? [];
  const address = decode(rest);
  if (head === 'c' && address !== '') return { at: 'chat', address };
  if (head === 'contact' && address !== '') return { at: 'contact', address };
  if (head === 'new' && rest === '') return { at: 'new' };
  if (head === 'settings') {
    const page = PAGES.find((p) => p === rest);
    if (page !== undefined) return { at: 'settings', page };
    if (rest === '') return { at: 'settings' };
  }
  return { at: 'chats' };
}

/** path is the opposite of parse. An @ stays readable. */
export function path(route: Route): string {
  const enc = (s: string): string => encodeURIComponent(s).replace(/%40/gu, '@');
  switch (route.at) {
    case 'chat': return '/c/' + enc(route.address);
    case 'contact': return '/contact/' + enc(route.address);
    case 'chats': return '/';
    case 'settings': return route.page === undefined ? '/settings' : '/settings/' + route.page;
    default: return '/' + route.at;
  }
}

function decode(s: string): string {
  try {
    return decodeURIComponent(s);
  } catch {
    return '';
  }
}

const here = signal<Route>({ at: 'chats' });
/** route is where the person is now. */
export const route: ReadonlySignal<Route> = here;

// How many entries of the history are ours: where there is none, "back" must not leave the app.
let depth = 0;

/** start reads the address bar and follows the browser's back and forward. It returns what ends that. */
export function start(): () => void {
  const read = (): void => {
    here.value = parse(location.pathname);
    const state: unknown = history.state;
    depth = typeof state === 'object' && state !== null && 'depth' in state && typeof state.depth === 'number' ? state.depth : 0;
  };
  read();
  addEventListener('popstate', read);
  return () => removeEventListener('popstate', read);
}

/** go moves to a route. With replace the place it leaves is not kept in the history. */
export function go(to: Route, replace = false): void {
  const url = path(to);
  if (replace || url === location.pathname) {
    history.replaceState({ depth }, '', url);
  } else {
    depth++;
    history.pushState({ depth }, '', url);
  }
  here.value = to;
}

/** back goes back where the person came from, or to a fallback where they came from outside. */
export function back(fallback: Route = { at: 'chats' }): void {
  if (depth > 0) history.back();
  else go(fallback, true);
}
