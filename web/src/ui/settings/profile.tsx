// SPDX-License-Identifier: Apache-2.0

// How others see one: a name and a picture.
import { useRef, useState } from 'preact/hooks';
import { t } from '../../i18n';
import { announce } from '../announce';
import { useApp } from '../context';
import { Avatar } from '../kit/avatar';
import { Field } from '../kit/field';
import { Icon } from '../kit/icon';
import { lazy } from '../kit/lazy';
import { hasKeyboard } from '../pointer';
import { Page, useWork } from './page';

const Crop = lazy(() => import('./crop').then((m) => m.Crop));

export function Profile() {
  const app = useApp();
  const session = app.session.value;
  const own = app.ownName.value;
  const [name, setName] = useState<string>();
  const [picked, setPicked] = useState<File>();
  const [where, setWhere] = useState<'name' | 'picture'>('name'); // what went wrong stands beside that
  const { busy, wrong, run } = useWork();
  const choose = useRef<HTMLInputElement>(null);
  const take = useRef<HTMLInputElement>(null);
  if (session.kind !== 'in') return null;
  const has = app.avatars.value.has(session.address);

  const save = async (): Promise<void> => {
    setWhere('name');
    if (await run(() => app.setName((name ?? own).trim()))) {
      setName(undefined);
      announce(t('profile.saved'));
    }
  };
  const remove = async (): Promise<void> => {
    setWhere('picture');
    if (await run(() => app.setAvatar(undefined))) announce(t('profile.removed'));
  };
  const pick = (input: HTMLInputElement): void => {
    setPicked(input.files?.[0]);
    input.value = ''; // the same one may be chosen again
  };

  return (
    <Page title={t('settings.profile')} up={{ at: 'settings' }}>
      <div class="person">
        <Avatar address={session.address} name={own || session.name} size="l" />
        <input ref={choose} class="hidden" type="file" accept="image/*" tabIndex={-1} aria-hidden="true" onChange={(e) => pick(e.currentTarget)} />
        <input ref={take} class="hidden" type="file" accept="image/*" capture="user" tabIndex={-1} aria-hidden="true" onChange={(e) => pick(e.currentTarget)} />
        <div class="actions">
          <button type="button" class="button" onClick={() => choose.current?.click()}>
            <Icon name="picture" />
            {t(has ? 'profile.change' : 'profile.choose')}
          </button>
          {!hasKeyboard() && (
            <button type="button" class="button" onClick={() => take.current?.click()}>
              <Icon name="camera" />
              {t('profile.camera')}
            </button>
          )}
          {has && (
            <button type="button" class="button plain" aria-disabled={busy} onClick={() => void remove()}>
              {t('profile.remove')}
            </button>
          )}
        </div>
        {wrong !== '' && where === 'picture' && <p class="wrong">{wrong}</p>}
        <p class="here">{t('profile.picture.text')}</p>
      </div>
      <form
        class="fields"
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <Field
          label={t('profile.name')}
          hint={t('profile.name.hint')}
          value={name ?? own}
          onText={setName}
          name="nickname"
          wrong={where === 'name' ? wrong : ''}
        />
        <div class="both-ends">
          <button type="submit" class="button main" aria-disabled={busy || (name ?? own).trim() === own}>
            {busy && where === 'name' && <span class="spinner" aria-hidden="true" />}
            {t('common.save')}
          </button>
        </div>
      </form>
      {picked !== undefined && <Crop file={picked} onClose={() => setPicked(undefined)} />}
    </Page>
  );
}
