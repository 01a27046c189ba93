// SPDX-License-Identifier: Apache-2.0

// Puts the screens into the page.
import './base.css';
import './kit/kit.css';
import { effect } from '@preact/signals';
import { render } from 'preact';
import type { App } from '../core/view';
import { direction, language, t } from '../i18n';
import { Announcer } from './announce';
import { AppContext, nameOf, useApp } from './context';
import * as drafts from './drafts';
import { LogIn, NoStorage, Splash } from './login/login';
import { start as startProposal } from './people/propose';
import { go, route, start as startRoute } from './route';
import { Shell } from './shell';
import { start as startTheme } from './theme';
import { tick } from './time';

export interface MountOptions {
  readonly version: string; // of the app, for "About"
  readonly arrived?: boolean; // the person comes from the sign-up page
}

/** mount shows app in element and returns what takes it away again. The language has to be loaded before. */
export function mount(app: App, element: HTMLElement, options: MountOptions): () => void {
  speak();
  const stops = [startTheme(), startRoute(), startProposal(), tick(), effect(() => title(app)), effect(() => badge(app.unread.value)), follow(), drafts.follow()];
  stops.push(
    effect(() => {
      const session = app.session.value;
      if (session.kind === 'in') drafts.open(session.address);
      if (session.kind === 'out') drafts.forget();
    }),
  );
  if (options.arrived) stops.push(welcome(app));
  render(
    <AppContext.Provider value={app}>
      <Announcer />
      <Root version={options.version} />
    </AppContext.Provider>,
    element,
  );
  return () => {
    render(null, element);
    for (const stop of stops) stop();
  };
}

const WELCOME = 10_000; // ms

// Who has just signed up by an invitation of somebody begins in the chat with them, unless they are quicker.
function welcome(app: App): () => void {
  let over = false;
  const end = (): void => void (over = true);
  const timer = setTimeout(end, WELCOME);
  addEventListener('pointerdown', end);
  addEventListener('keydown', end);
  const stop = effect(() => {
    const [first, ...more] = app.contacts.value;
    if (over || app.session.value.kind !== 'in' || first === undefined) return;
    end();
    if (more.length === 0 && route.peek().at === 'chats') go({ at: 'chat', address: first.address });
  });
  return () => {
    clearTimeout(timer);
    removeEventListener('pointerdown', end);
    removeEventListener('keydown', end);
    stop();
  };
}

/** mountNoStorage says that this browser keeps nothing, instead of the app. */
export function mountNoStorage(element: HTMLElement): void {
  speak();
  startTheme();
  render(<NoStorage />, element);
}

function speak(): void {
  document.documentElement.lang = language();
  document.documentElement.dir = direction(language());
}

function Root({ version }: { version: string }) {
  const session = useApp().session.value;
  switch (session.kind) {
    case 'loading': return <Splash />;
    case 'out': return <LogIn session={session} />;
    case 'in': return <Shell version={version} />;
  }
}

// The title of the page says where one is and how much is unread.
function title(app: App): void {
  const here = route.value;
  const inside = app.session.value.kind === 'in';
  const where = !inside ? '' : here.at === 'chat' || here.at === 'contact' ? nameOf(app, here.address) : here.at === 'chats' ? '' : t(`nav.${here.at}`);
  const name = where === '' ? 'Kith' : `${where} · Kith`;
  const n = inside ? app.unread.value : 0;
  document.title = n > 0 ? t('title.unread', { n, app: name }) : name;
}

// The number on the icon of the installed app, where there is such a thing.
function badge(unread: number): void {
  if (!('setAppBadge' in navigator)) return;
  (unread > 0 ? navigator.setAppBadge(unread) : navigator.clearAppBadge()).catch(() => undefined);
}

// The service worker asks to open a chat when its notification was clicked.
function follow(): () => void {
  if (!('serviceWorker' in navigator)) return () => undefined;
  const worker = navigator.serviceWorker;
  const opened = (event: MessageEvent<unknown>): void => {
    const data = event.data;
    if (typeof data !== 'object' || data === null || !('open' in data) || typeof data.open !== 'string') return;
    go({ at: 'chat', address: data.open });
  };
  worker.addEventListener('message', opened);
  return () => worker.removeEventListener('message', opened);
}
