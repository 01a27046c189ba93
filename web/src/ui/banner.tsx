// SPDX-License-Identifier: Apache-2.0

// One quiet line above everything: there is no connection (said only after five seconds, since most gaps are
// shorter and nobody needs to know of them), or a newer build of the app waits.
import { useEffect, useState } from 'preact/hooks';
import { t } from '../i18n';
import { useApp } from './context';
import { ready, reload } from './update';

const PATIENCE = 5000; // ms

export function Banner() {
  const app = useApp();
  const connection = app.connection.value;
  const [late, setLate] = useState(false);
  const online = connection === 'online';
  useEffect(() => {
    if (online) return setLate(false);
    const timer = setTimeout(() => setLate(true), PATIENCE);
    return () => clearTimeout(timer);
  }, [online]);
  // The region stands before there is something in it: only then is what comes in read out.
  return (
    <div role="status">
      {!online && late && (
        <div class="banner">
          {connection === 'connecting' ? (
            <>
              <span class="spinner" aria-hidden="true" />
              <span>{t('app.connecting')}</span>
            </>
          ) : (
            <>
              <span>{t('app.offline')}</span>
              <button type="button" onClick={() => app.reconnect()}>
                {t('app.retry')}
              </button>
            </>
          )}
        </div>
      )}
      {online && ready.value && (
        <div class="banner">
          <span>{t('app.update')}</span>
          <button type="button" onClick={reload}>
            {t('app.reload')}
          </button>
        </div>
      )}
    </div>
  );
}
