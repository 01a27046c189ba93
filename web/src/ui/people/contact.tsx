// SPDX-License-Identifier: Apache-2.0

// The details of a person: what they are called here, where they can be reached, and whether to keep them.
import './people.css';
import { useEffect, useRef, useState } from 'preact/hooks';
import { t } from '../../i18n';
import { announce } from '../announce';
import { nameOf, sentence, useApp } from '../context';
import { Face } from '../kit/avatar';
import { Copy } from '../kit/copy';
import { Dialog } from '../kit/dialog';
import { Field } from '../kit/field';
import { Icon } from '../kit/icon';
import { Link } from '../kit/link';
import { back } from '../route';
import { Block } from './block';

export function Contact({ address, close = false }: { address: string; close?: boolean }) {
  const app = useApp();
  const [open, setOpen] = useState<'rename' | 'remove' | 'block'>();
  const [wrong, setWrong] = useState('');
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  const contact = app.contacts.value.find((c) => c.address === address);
  const name = nameOf(app, address);
  const chat = { at: 'chat', address } as const;
  const blocked = app.blocked.value.has(address);

  const failed = (error: unknown): void => {
    setWrong(sentence(error));
    announce(sentence(error), true);
  };
  const add = (): void => void app.addContact(address, '').catch(failed);
  const unblock = (): void => void app.unblock(address).then(() => announce(t('blocked.undone', { name })), failed);

  return (
    <div class="sheet">
      <div class="bar">
        <button type="button" class="round" aria-label={close ? t('common.close') : t('common.back')} onClick={() => back(chat)}>
          <Icon name={close ? 'close' : 'back'} />
        </button>
        <h1 ref={heading} tabIndex={-1}>
          {t('contact.title')}
        </h1>
      </div>
      <div class="scroll">
        <div class="column">
          <div class="person">
            <Face address={address} name={name} show="offline" size="l" />
            <p class="called">
              <bdi>{name}</bdi>
            </p>
            <p class="here">
              {blocked ? t('blocked.text', { name }) : contact === undefined ? t('contact.stranger') : contact.mutual ? t(`show.${contact.show}`) : contact.asked ? t('contact.asked', { name }) : ''}
            </p>
            {contact !== undefined && contact.status !== '' && <p dir="auto">{contact.status}</p>}
            <div class="actions">
              <Link class="button main" to={chat}>
                <Icon name="chat" />
                {t('contact.message')}
              </Link>
            </div>
          </div>
          <div class="card">
            <div class="item">
              <span class="words alone">
                <span class="label">{t('contact.address')}</span>
                <br />
                <bdi dir="ltr">{address}</bdi>
              </span>
              <Copy text={address} label={t('contact.copy')} />
            </div>
          </div>
          <div class="card">
            {contact === undefined ? (
              <button type="button" class="item" onClick={add}>
                <Icon name="invite" />
                <span class="words">{t('contact.add')}</span>
              </button>
            ) : (
              <>
                <button type="button" class="item" onClick={() => setOpen('rename')}>
                  <Icon name="write" />
                  <span class="words">{t('contact.rename')}</span>
                </button>
                <button type="button" class="item danger" onClick={() => setOpen('remove')}>
                  <Icon name="remove" />
                  <span class="words">{t('contact.remove')}</span>
                </button>
              </>
            )}
            <button type="button" class="item danger" onClick={() => (blocked ? unblock() : setOpen('block'))}>
              <Icon name="block" />
              <span class="words">{t(blocked ? 'blocked.undo' : 'block.open')}</span>
            </button>
          </div>
          {wrong !== '' && <p class="wrong">{wrong}</p>}
        </div>
      </div>
      {open === 'rename' && <Rename address={address} name={name} onClose={() => setOpen(undefined)} />}
      {open === 'block' && <Block address={address} name={name} onClose={() => setOpen(undefined)} />}
      {open === 'remove' && <Remove address={address} name={name} onClose={() => setOpen(undefined)} />}
    </div>
  );
}

interface DialogProps {
  readonly address: string;
  readonly name: string;
  readonly onClose: () => void;
}

function Rename({ address, name, onClose }: DialogProps) {
  const app = useApp();
  const [next, setNext] = useState(name);
  const [wrong, setWrong] = useState('');
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    input.current?.focus();
    input.current?.select();
  }, []);
  const save = async (): Promise<void> => {
    try {
      await app.rename(address, next.trim());
      onClose();
    } catch (error) {
      setWrong(sentence(error));
      announce(sentence(error), true);
    }
  };
  return (
    <Dialog title={t('contact.rename')} onClose={onClose}>
      <form
        class="fields"
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <Field label={t('contact.name')} hint={t('contact.rename.text')} value={next} onText={setNext} wrong={wrong} inputRef={input} />
        <div class="actions">
          <button type="button" class="button plain" onClick={onClose}>
            {t('common.cancel')}
          </button>
          <button type="submit" class="button main">
            {t('common.save')}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function Remove({ address, name, onClose }: DialogProps) {
  const app = useApp();
  const [wrong, setWrong] = useState('');
  const remove = async (): Promise<void> => {
    try {
      await app.remove(address);
      onClose();
    } catch (error) {
      setWrong(sentence(error));
      announce(sentence(error), true);
    }
  };
  return (
    <Dialog title={t('contact.remove.title', { name })} onClose={onClose}>
      <p>{t('contact.remove.text')}</p>
      {wrong !== '' && <p class="wrong">{wrong}</p>}
      <div class="actions">
        <button type="button" class="button plain" onClick={onClose}>
          {t('common.cancel')}
        </button>
        <button type="button" class="button danger main" onClick={() => void remove()}>
          {t('contact.remove.go')}
        </button>
      </div>
    </Dialog>
  );
}
