// SPDX-License-Identifier: Apache-2.0

// Settings: who one is, the account, how the app behaves on this device, and leaving.
import '../people/people.css';
import './settings.css';
import { useEffect, useRef, useState } from 'preact/hooks';
import { t } from '../../i18n';
import { announce } from '../announce';
import { sentence, useApp } from '../context';
import { Avatar } from '../kit/avatar';
import { Copy } from '../kit/copy';
import { Dialog } from '../kit/dialog';
import { Icon } from '../kit/icon';
import { back, go } from '../route';
import { choice, CHOICES, choose } from '../theme';
import { Password } from './password';

export function Settings({ version }: { version: string }) {
  const app = useApp();
  const [open, setOpen] = useState<'password' | 'leave'>();
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  const session = app.session.value;
  if (session.kind !== 'in') return null;
  return (
    <div class="sheet">
      <div class="bar">
        <button type="button" class="round" aria-label={t('common.back')} onClick={() => back()}>
          <Icon name="back" />
        </button>
        <h1 ref={heading} tabIndex={-1}>
          {t('settings.title')}
        </h1>
      </div>
      <div class="scroll">
        <div class="column">
          <div class="person">
            <Avatar address={session.address} name={session.name} size="l" />
            <p class="called">
              <bdi>{session.name}</bdi>
            </p>
          </div>
          <div class="card">
            <div class="item">
              <span class="words alone">
                <span class="label">{t('settings.address')}</span>
                <br />
                <bdi dir="ltr">{session.address}</bdi>
                <br />
                <span class="label">{t('settings.address.text')}</span>
              </span>
              <Copy text={session.address} label={t('settings.address.copy')} />
            </div>
          </div>
          <section class="group" aria-labelledby="notifications">
            <h2 id="notifications">{t('settings.notifications')}</h2>
            <div class="card">
              <Notifications />
            </div>
          </section>
          <section class="group" aria-labelledby="theme">
            <h2 id="theme">{t('settings.theme')}</h2>
            <div class="card">
              <fieldset class="choices" aria-labelledby="theme">
                {CHOICES.map((one) => (
                  <label key={one}>
                    <input type="radio" name="theme" value={one} checked={choice.value === one} onChange={() => choose(one)} />
                    {t(`settings.theme.${one}`)}
                  </label>
                ))}
              </fieldset>
            </div>
          </section>
          <section class="group" aria-labelledby="account">
            <h2 id="account">{t('settings.security')}</h2>
            <div class="card">
              <button type="button" class="item" onClick={() => setOpen('password')}>
                <Icon name="key" />
                <span class="words">{t('settings.password')}</span>
              </button>
              <button type="button" class="item danger" onClick={() => setOpen('leave')}>
                <Icon name="leave" />
                <span class="words">{t('settings.logout')}</span>
              </button>
            </div>
          </section>
          <section class="group" aria-labelledby="about">
            <h2 id="about">{t('settings.about')}</h2>
            <div class="card">
              <div class="item">
                <Icon name="info" />
                <span class="words">
                  {t('settings.version', { version })}
                  <br />
                  <span class="label">{t('settings.about.text')}</span>
                </span>
              </div>
            </div>
          </section>
        </div>
      </div>
      {open === 'password' && <Password onClose={() => setOpen(undefined)} />}
      {open === 'leave' && <Leave onClose={() => setOpen(undefined)} />}
    </div>
  );
}

function Notifications() {
  const app = useApp();
  const state = app.notifications.value;
  return (
    <div class="item">
      <Icon name="bell" />
      <span class="words">{t(`settings.notifications.${state}`)}</span>
      {state === 'ask' && (
        <button type="button" class="button small" onClick={() => void app.enableNotifications().catch(() => undefined)}>
          {t('settings.notifications.enable')}
        </button>
      )}
    </div>
  );
}

function Leave({ onClose }: { onClose: () => void }) {
  const app = useApp();
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState('');
  const leave = async (): Promise<void> => {
    if (busy) return;
    setBusy(true);
    try {
      await app.logOut();
      go({ at: 'chats' }, true);
    } catch (error) {
      setBusy(false);
      setWrong(sentence(error));
      announce(sentence(error), true);
    }
  };
  return (
    <Dialog title={t('settings.logout.title')} onClose={onClose}>
      <p>{t('settings.logout.text')}</p>
      {wrong !== '' && <p class="wrong">{wrong}</p>}
      <div class="actions">
        <button type="button" class="button plain" onClick={onClose}>
          {t('common.cancel')}
        </button>
        <button type="button" class="button danger main" onClick={() => void leave()}>
          {busy && <span class="spinner" aria-hidden="true" />}
          {t('settings.logout.go')}
        </button>
      </div>
    </Dialog>
  );
}
