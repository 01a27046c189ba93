// SPDX-License-Identifier: Apache-2.0

// The panes of somebody who is logged in: the list, and what was chosen from it.
import './shell.css';
import { useEffect, useState } from 'preact/hooks';
import { t } from '../i18n';
import { Banner } from './banner';
import { Chat } from './chat/chat';
import { Chats } from './chats/chats';
import { Mark } from './kit/mark';
import { lazy } from './kit/lazy';
import { Contact } from './people/contact';
import { New } from './people/new';
import { Propose } from './people/propose';
import { back, go, route, type Route } from './route';

const Settings = lazy(() => import('./settings/settings').then((m) => m.Settings));

export function Shell({ version }: { version: string }) {
  const here = route.value;
  const wide = useMedia('(min-width: 1300px)');
  const front = here.at === 'chats' || here.at === 'new' ? 'list' : 'main';
  const alone = !useMedia('(min-width: 900px)');
  const side = wide && here.at === 'contact';
  useKeys();
  return (
    <div class="shell">
      <Banner />
      <div class="panes" data-front={front}>
        {front === 'main' && (
          <a class="skip" href="#main">
            {t('app.skip')}
          </a>
        )}
        {/* Alone on a phone, the list is the main thing. */}
        <div class="pane-list" aria-label={t('nav.chats')} role={alone && front === 'list' ? 'main' : 'navigation'}>
          {here.at === 'new' ? <New /> : <Chats />}
        </div>
        <main class="pane-main" id="main" tabIndex={-1}>
          <Main here={here} wide={wide} version={version} />
        </main>
        {side && (
          <aside class="pane-side" aria-label={t('contact.title')}>
            <Contact key={here.address} address={here.address} close />
          </aside>
        )}
      </div>
      <Propose />
    </div>
  );
}

function Main({ here, wide, version }: { here: Route; wide: boolean; version: string }) {
  switch (here.at) {
    case 'chat': return <Chat key={here.address} address={here.address} />;
    case 'contact': return wide ? <Chat key={here.address} address={here.address} /> : <Contact key={here.address} address={here.address} />;
    case 'settings': return <Settings key={here.page ?? ''} page={here.page} version={version} />;
    default: return (
      <div class="pick">
        <Mark />
        <p>{t('chats.pick')}</p>
      </div>
    );
  }
}

// Ctrl-K or Cmd-K finds, Escape goes one step back.
function useKeys(): void {
  useEffect(() => {
    const key = (event: KeyboardEvent): void => {
      if (document.querySelector('dialog[open]') !== null) return;
      if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === 'k') {
        event.preventDefault();
        const field = (): HTMLElement | null => document.querySelector('[data-search]');
        if (field()?.offsetParent === null) go({ at: 'chats' });
        requestAnimationFrame(() => field()?.focus());
      }
      if (event.key === 'Escape' && !event.defaultPrevented && !event.isComposing && route.peek().at !== 'chats') back();
    };
    addEventListener('keydown', key);
    return () => removeEventListener('keydown', key);
  }, []);
}

function useMedia(query: string): boolean {
  const [matches, setMatches] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const follow = (): void => setMatches(list.matches);
    list.addEventListener('change', follow);
    return () => list.removeEventListener('change', follow);
  }, [query]);
  return matches;
}
