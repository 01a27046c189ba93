// SPDX-License-Identifier: Apache-2.0

// Who may not reach one.
import { useState } from 'preact/hooks';
import { t } from '../../i18n';
import { announce } from '../announce';
import { nameOf, sentence, useApp } from '../context';
import { Avatar } from '../kit/avatar';
import { Group, Page } from './page';

export function Privacy() {
  const app = useApp();
  const blocked = [...app.blocked.value].toSorted();
  return (
    <Page title={t('settings.privacy')} up={{ at: 'settings' }}>
      <Group title={t('privacy.blocked')} text={t('privacy.blocked.text')}>
        {blocked.length === 0 ? (
          <p class="item none">{t('privacy.none')}</p>
        ) : (
          <ul>
            {blocked.map((address) => (
              <One key={address} address={address} />
            ))}
          </ul>
        )}
      </Group>
    </Page>
  );
}

function One({ address }: { address: string }) {
  const app = useApp();
  const [wrong, setWrong] = useState('');
  const name = nameOf(app, address);
  const unblock = (): void => {
    app.unblock(address).then(
      () => announce(t('blocked.undone', { name })),
      (error: unknown) => {
        setWrong(sentence(error));
        announce(sentence(error), true);
      },
    );
  };
  return (
    <li class="item">
      <Avatar address={address} name={name} size="s" />
      <span class="words">
        <bdi>{name}</bdi>
        {name !== address && (
          <>
            <br />
            <bdi class="label" dir="ltr">
              {address}
            </bdi>
          </>
        )}
        {wrong !== '' && <span class="wrong">{wrong}</span>}
      </span>
      <button type="button" class="button small" aria-label={t('blocked.undo.name', { name })} onClick={unblock}>
        {t('blocked.undo')}
      </button>
    </li>
  );
}
