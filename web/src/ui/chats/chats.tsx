// SPDX-License-Identifier: Apache-2.0

// The list of chats, with the people who ask to be a contact above it.
import './chats.css';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Chat } from '../../core/view';
import { t } from '../../i18n';
import { brief as brieflySaid } from '../chat/brief';
import { useApp } from '../context';
import { drafts } from '../drafts';
import { Avatar, Face } from '../kit/avatar';
import { Icon } from '../kit/icon';
import { follow, Link } from '../kit/link';
import { path, route } from '../route';
import { brief, full, minute } from '../time';
import { InviteButton } from '../people/invite';
import { arrows } from './arrows';
import { Requests } from './requests';
import { Ticks } from './ticks';

export function Chats() {
  const app = useApp();
  const [query, setQuery] = useState('');
  const list = useRef<HTMLUListElement>(null);
  const search = useRef<HTMLInputElement>(null);
  const chats = app.chats.value;
  const wanted = query.trim().toLocaleLowerCase();
  const shown = chats.filter((c) => `${c.name} ${c.address} ${c.preview}`.toLocaleLowerCase().includes(wanted));
  useReturn(list);

  return (
    <div class="chats">
      <div class="bar">
        <h1 tabIndex={-1}>{t('chats.title')}</h1>
        <Link class="round" to={{ at: 'settings' }} label={t('nav.settings')}>
          <Icon name="gear" />
        </Link>
        <Link class="round plus" to={{ at: 'new' }} label={t('nav.new')}>
          <Icon name="write" />
        </Link>
      </div>
      {chats.length > 0 && (
        <div class="find" role="search">
          <label class="search">
            <Icon name="search" />
            <span class="hidden">{t('chats.search')}</span>
            <input
              ref={search}
              type="search"
              data-search
              value={query}
              placeholder={t('chats.search')}
              aria-keyshortcuts="Control+K Meta+K"
              onInput={(event) => setQuery(event.currentTarget.value)}
              onKeyDown={(event) => {
                if (event.key === 'Escape' && query !== '') {
                  event.stopPropagation();
                  setQuery('');
                }
                if (event.key === 'ArrowDown') {
                  event.preventDefault();
                  list.current?.querySelector('a')?.focus();
                }
              }}
            />
          </label>
        </div>
      )}
      <div class="scroll">
        <Requests />
        {chats.length === 0 ? (
          <div class="none">
            <span class="picture">
              <Icon name="chat" />
            </span>
            <h2>{t('chats.none.title')}</h2>
            <p>{t('chats.none.text')}</p>
            <InviteButton />
            <Link class="button plain" to={{ at: 'new' }}>
              {t('nav.new')}
            </Link>
          </div>
        ) : shown.length === 0 ? (
          <p class="none">{t('chats.none.found', { query: query.trim() })}</p>
        ) : (
          <ul ref={list} aria-label={t('chats.list')} onKeyDown={(event) => arrows(event, search.current)}>
            {shown.map((chat) => (
              <Row key={chat.address} chat={chat} />
            ))}
          </ul>
        )}
      </div>
      {chats.length > 0 && (
        <Link class="fab" to={{ at: 'new' }} label={t('nav.new')}>
          <Icon name="write" />
        </Link>
      )}
    </div>
  );
}

function Row({ chat }: { chat: Chat }) {
  const app = useApp();
  const here = route.value;
  const open = (here.at === 'chat' || here.at === 'contact') && here.address === chat.address;
  const show = app.contacts.value.find((c) => c.address === chat.address)?.show ?? 'offline';
  return (
    <li>
      <a
        class={chat.unread > 0 ? 'row unread' : 'row'}
        href={path({ at: 'chat', address: chat.address })}
        aria-current={open ? 'page' : undefined}
        data-chat={chat.address}
        onClick={(event) => follow(event, { at: 'chat', address: chat.address }, here.at === 'chat')}
      >
        {show === 'online' ? <Face address={chat.address} name={chat.name} show={show} /> : <Avatar address={chat.address} name={chat.name} />}
        <span class="words">
          <span class="name">
            <bdi>{chat.name}</bdi>
          </span>
          {chat.time > 0 ? (
            <time class="when" dateTime={new Date(chat.time).toISOString()} title={full(chat.time)}>
              {brief(chat.time, minute.value)}
            </time>
          ) : (
            <span />
          )}
          <Preview chat={chat} open={open} />
          {chat.unread > 0 && (
            <span class="badge">
              <span aria-hidden="true">{chat.unread > 99 ? '99+' : chat.unread}</span>
              <span class="hidden">{t('chats.unread', { n: chat.unread })}</span>
            </span>
          )}
        </span>
      </a>
    </li>
  );
}

function Preview({ chat, open }: { chat: Chat; open: boolean }) {
  const draft = drafts.value[chat.address];
  if (chat.typing) {
    return (
      <span class="preview typing">
        <span class="text">{t('chats.typing')}</span>
      </span>
    );
  }
  if (draft !== undefined && !open) {
    return (
      <span class="preview">
        <span class="text draft">{t('chats.draft', { text: draft })}</span>
      </span>
    );
  }
  const last = chat.last;
  return (
    <span class="preview">
      {last?.mine === true && last.state !== undefined && <Ticks state={last.state} />}
      <span class="text" dir="auto">
        {last === undefined ? t('chats.empty') : brieflySaid(last)}
      </span>
    </span>
  );
}

// Back from a chat on a phone, the focus is on the row of that chat again.
function useReturn(list: { readonly current: HTMLUListElement | null }): void {
  const left = useRef('');
  const here = route.value;
  useEffect(() => {
    if (here.at === 'chat') left.current = here.address;
    if (here.at !== 'chats' || left.current === '') return;
    const row = [...(list.current?.querySelectorAll('a') ?? [])].find((a) => a.dataset['chat'] === left.current);
    row?.focus({ preventScroll: true });
    left.current = '';
  }, [here]);
}
