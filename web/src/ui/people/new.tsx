// SPDX-License-Identifier: Apache-2.0

// A new chat: somebody from the contacts, somebody by address, or somebody who is not here yet.
import './people.css';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Contact } from '../../core/view';
import { t } from '../../i18n';
import { arrows } from '../chats/arrows';
import { useApp } from '../context';
import { Face } from '../kit/avatar';
import { Icon, type IconName } from '../kit/icon';
import { Link } from '../kit/link';
import { hasKeyboard } from '../pointer';
import { back } from '../route';
import { Add } from './add';
import { Invite } from './invite';

export function New() {
  const app = useApp();
  const [query, setQuery] = useState('');
  const [open, setOpen] = useState<'add' | 'invite'>();
  const search = useRef<HTMLInputElement>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => (hasKeyboard() ? search : heading).current?.focus({ preventScroll: true }), []);
  const contacts = app.contacts.value;
  const wanted = query.trim().toLocaleLowerCase();
  const shown = contacts.filter((c) => `${c.name} ${c.address}`.toLocaleLowerCase().includes(wanted));
  const known = contacts.some((c) => c.address === wanted);
  const close = (): void => setOpen(undefined);

  return (
    <div class="chats">
      <div class="bar">
        <button type="button" class="round" aria-label={t('common.back')} onClick={() => back()}>
          <Icon name="back" />
        </button>
        <h1 ref={heading} tabIndex={-1}>{t('new.title')}</h1>
      </div>
      <div class="find" role="search">
        <label class="search">
          <Icon name="search" />
          <span class="hidden">{t('new.search')}</span>
          <input
            ref={search}
            type="search"
            data-search
            value={query}
            placeholder={t('new.search')}
            autocapitalize="none"
            spellcheck={false}
            onInput={(event) => setQuery(event.currentTarget.value)}
          />
        </label>
      </div>
      <div class="scroll" onKeyDown={(event) => arrows(event, search.current)}>
        {wanted === '' && (
          <>
            <Action icon="invite" title={t('new.invite')} hint={t('new.invite.hint')} onClick={() => setOpen('invite')} />
            <Action icon="person" title={t('new.add')} hint={t('new.add.hint')} onClick={() => setOpen('add')} />
          </>
        )}
        {wanted.includes('@') && !known && (
          <Action icon="person" title={t('new.add.query', { address: wanted })} onClick={() => setOpen('add')} />
        )}
        <h2 class="part">{t('new.contacts')}</h2>
        {shown.length === 0 ? (
          <p class="none">{contacts.length === 0 ? t('new.none') : t('new.none.found', { query: query.trim() })}</p>
        ) : (
          <ul>
            {shown.map((contact) => (
              <Person key={contact.address} contact={contact} />
            ))}
          </ul>
        )}
      </div>
      {open === 'add' && <Add start={wanted.includes('@') ? wanted : ''} onClose={close} />}
      {open === 'invite' && <Invite onClose={close} />}
    </div>
  );
}

function Action({ icon, title, hint, onClick }: { icon: IconName; title: string; hint?: string; onClick: () => void }) {
  return (
    <button type="button" class="row" onClick={onClick}>
      <span class="disc">
        <Icon name={icon} />
      </span>
      <span class="words">
        <span class="name">{title}</span>
        {hint !== undefined && <span class="below">{hint}</span>}
      </span>
    </button>
  );
}

function Person({ contact }: { contact: Contact }) {
  const { address, name, show, status, mutual, asked } = contact;
  const below = asked && !mutual ? address : status !== '' ? status : mutual ? t(`show.${show}`) : address;
  return (
    <li>
      <Link class="row" to={{ at: 'chat', address }}>
        <Face address={address} name={name} show={show} />
        <span class="words">
          <span class="name">
            <bdi>{name}</bdi>
          </span>
          <span />
          <span class="below">{below}</span>
        </span>
      </Link>
    </li>
  );
}
