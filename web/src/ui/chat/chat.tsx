// SPDX-License-Identifier: Apache-2.0

// A chat with one person: who it is, what was said, and where to write.
import './chat.css';
import { useEffect, useState } from 'preact/hooks';
import type { Contact, Timeline as Kept } from '../../core/view';
import { t } from '../../i18n';
import { announce } from '../announce';
import { Card } from '../chats/requests';
import { nameOf, sentence, useApp } from '../context';
import { Avatar } from '../kit/avatar';
import { Icon } from '../kit/icon';
import { Link } from '../kit/link';
import { Block } from '../people/block';
import { back } from '../route';
import { Composer } from './composer';
import { Timeline } from './timeline';

export function Chat({ address }: { address: string }) {
  const app = useApp();
  const name = nameOf(app, address);
  const contact = app.contacts.value.find((c) => c.address === address);
  const typing = app.chats.value.find((c) => c.address === address)?.typing ?? false;
  const request = app.requests.value.find((r) => r.address === address);
  const [timeline, lost] = useTimeline(address);
  const blocked = app.blocked.value.has(address);

  return (
    <div class="chat">
      <div class="bar">
        <button type="button" class="round back" aria-label={t('chat.back')} onClick={() => back()}>
          <Icon name="back" />
        </button>
        <Link class="who" to={{ at: 'contact', address }}>
          <Avatar address={address} name={name} size="s" />
          <span class="words">
            <h1>
              <bdi>{name}</bdi>
            </h1>
            <Line typing={typing} contact={contact} address={name === address ? '' : address} />
          </span>
          <span class="hidden">{t('chat.details', { name })}</span>
        </Link>
      </div>
      {!blocked && (request !== undefined ? <Card request={request} /> : contact === undefined && <Stranger address={address} name={name} />)}
      {timeline === undefined ? (
        <div class="timeline">{lost && <p class="none wrong">{t('chat.lost')}</p>}</div>
      ) : (
        <Timeline timeline={timeline} address={address} name={name} typing={typing} trusted={contact !== undefined} />
      )}
      <div class="composer">{blocked ? <Blocked address={address} name={name} /> : <Composer chat={address} name={name} />}</div>
    </div>
  );
}

// Under the name: what they do, what they wrote about themselves, whether they are here; else the address, unless it
// stands there as the name.
function Line({ typing, contact, address }: { typing: boolean; contact: Contact | undefined; address: string }) {
  if (typing) return <p class="typing">{t('chat.typing')}</p>;
  if (contact === undefined) return address === '' ? null : <p dir="ltr">{address}</p>;
  if (!contact.mutual) return <p>{contact.asked ? t('contact.asked', { name: contact.name }) : address}</p>;
  const show = t(`show.${contact.show}`);
  return <p>{contact.status === '' ? show : contact.show === 'offline' ? contact.status : `${show} · ${contact.status}`}</p>;
}

function Stranger({ address, name }: { address: string; name: string }) {
  const app = useApp();
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState('');
  const [blocking, setBlocking] = useState(false);
  const add = async (): Promise<void> => {
    if (busy) return;
    setBusy(true);
    try {
      await app.addContact(address, '');
    } catch (error) {
      setBusy(false);
      setWrong(sentence(error));
      announce(sentence(error), true);
    }
  };
  return (
    <div class="stranger">
      <p>{wrong === '' ? t('chat.stranger', { name }) : wrong}</p>
      <button type="button" class="button small plain" onClick={() => setBlocking(true)}>
        {t('block.go')}
      </button>
      <button type="button" class="button small" aria-disabled={busy} onClick={() => void add()}>
        {t('chat.stranger.add')}
      </button>
      {blocking && <Block address={address} name={name} onClose={() => setBlocking(false)} />}
    </div>
  );
}

function Blocked({ address, name }: { address: string; name: string }) {
  const app = useApp();
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState('');
  const unblock = async (): Promise<void> => {
    if (busy) return;
    setBusy(true);
    try {
      await app.unblock(address);
      announce(t('blocked.undone', { name }));
    } catch (error) {
      setBusy(false);
      setWrong(sentence(error));
      announce(sentence(error), true);
    }
  };
  return (
    <div class="stop">
      <p>{wrong === '' ? t('blocked.text', { name }) : wrong}</p>
      <button type="button" class="button small" aria-disabled={busy} onClick={() => void unblock()}>
        {t('blocked.undo')}
      </button>
    </div>
  );
}

// useTimeline opens the messages and, once they are on the screen, says that the person looks at them: only
// then, or the line above what is unread would never be seen.
function useTimeline(address: string): [Kept | undefined, boolean] {
  const app = useApp();
  const [timeline, setTimeline] = useState<Kept>();
  const [lost, setLost] = useState(false);
  useEffect(() => {
    let gone = false;
    let open: Kept | undefined;
    app.timeline(address).then(
      (kept) => {
        if (gone) return kept.close();
        open = kept;
        setTimeline(kept);
      },
      () => void (gone || setLost(true)),
    );
    return () => {
      gone = true;
      open?.close();
    };
  }, []);
  useEffect(() => {
    if (timeline === undefined) return;
    const look = (): void => app.look(document.visibilityState === 'visible' && document.hasFocus() ? address : '');
    look();
    const on: [EventTarget, string][] = [[document, 'visibilitychange'], [window, 'focus'], [window, 'blur']];
    for (const [target, type] of on) target.addEventListener(type, look);
    return () => {
      for (const [target, type] of on) target.removeEventListener(type, look);
      app.look('');
    };
  }, [timeline]);
  return [timeline, lost];
}
