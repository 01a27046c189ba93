// SPDX-License-Identifier: Apache-2.0

// The settings: the first page, and the ways to the others.
import { useState } from 'preact/hooks';
import { t } from '../../i18n';
import { useApp } from '../context';
import { Avatar } from '../kit/avatar';
import { Copy } from '../kit/copy';
import { Dialog } from '../kit/dialog';
import { Icon, type IconName } from '../kit/icon';
import { Link } from '../kit/link';
import { go, type Page as PageName } from '../route';
import { choice, CHOICES, choose } from '../theme';
import { Devices } from './devices';
import { Notifications } from './notifications';
import { Group, Page, useWork } from './page';
import { Password } from './password';
import { Privacy } from './privacy';
import { Profile } from './profile';

export function Settings({ page, version }: { page: PageName | undefined; version: string }) {
  const app = useApp();
  if (app.session.value.kind !== 'in') return null;
  switch (page) {
    case 'profile': return <Profile />;
    case 'notifications': return <Notifications />;
    case 'privacy': return <Privacy />;
    case 'devices': return <Devices />;
    default: return <First version={version} />;
  }
}

const WAYS: readonly (readonly [PageName, IconName])[] = [['profile', 'person'], ['notifications', 'bell'], ['privacy', 'shield'], ['devices', 'devices']];

function First({ version }: { version: string }) {
  const app = useApp();
  const [open, setOpen] = useState<'password' | 'leave'>();
  const session = app.session.value;
  if (session.kind !== 'in') return null;
  const name = app.ownName.value || session.name;
  return (
    <Page title={t('settings.title')}>
      <div class="person">
        <Avatar address={session.address} name={name} size="l" />
        <p class="called">
          <bdi>{name}</bdi>
        </p>
      </div>
      <div class="card">
        {WAYS.map(([page, icon]) => (
          <Link key={page} class="item" to={{ at: 'settings', page }}>
            <Icon name={icon} />
            <span class="words">{t(`settings.${page}`)}</span>
            <Icon name="forward" />
          </Link>
        ))}
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
      <Group title={t('settings.theme')}>
        <fieldset class="choices" aria-label={t('settings.theme')}>
          {CHOICES.map((one) => (
            <label key={one}>
              <input type="radio" name="theme" value={one} checked={choice.value === one} onChange={() => choose(one)} />
              {t(`settings.theme.${one}`)}
            </label>
          ))}
        </fieldset>
      </Group>
      <Group title={t('settings.security')}>
        <button type="button" class="item" onClick={() => setOpen('password')}>
          <Icon name="key" />
          <span class="words">{t('settings.password')}</span>
        </button>
        <button type="button" class="item danger" onClick={() => setOpen('leave')}>
          <Icon name="leave" />
          <span class="words">{t('settings.logout')}</span>
        </button>
      </Group>
      <Group title={t('settings.about')}>
        <div class="item">
          <Icon name="info" />
          <span class="words">
            {t('settings.version', { version })}
            <br />
            <span class="label">{t('settings.about.text')}</span>
          </span>
        </div>
      </Group>
      {open === 'password' && <Password onClose={() => setOpen(undefined)} />}
      {open === 'leave' && <Leave onClose={() => setOpen(undefined)} />}
    </Page>
  );
}

function Leave({ onClose }: { onClose: () => void }) {
  const app = useApp();
  const { busy, wrong, run } = useWork();
  const leave = (): Promise<boolean> =>
    run(async () => {
      await app.logOut();
      go({ at: 'chats' }, true);
    });
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
