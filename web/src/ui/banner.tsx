// SPDX-License-Identifier: Apache-2.0

// One quiet line above everything while there is no connection: only after five seconds, since most gaps are
// shorter and nobody needs to know of them.
import { useEffect, useState } from 'preact/hooks';
import { t } from '../i18n';
import { useApp } from './context';

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
    </div>
  );
}
