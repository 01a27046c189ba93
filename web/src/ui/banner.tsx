// SPDX-License-Identifier: Apache-2.0

// One quiet line above everything: there is no connection (said only after five seconds, since most gaps are
// shorter and nobody needs to know of them), many messages are being fetched, or a newer build of the app waits.
import { useEffect, useState } from 'preact/hooks';
import { t } from '../i18n';
import { useApp } from './context';
import { ready, reload } from './update';

const PATIENCE = 5000; // ms

export function Banner() {
  const app = useApp();
  const connection = app.connection.value;
  const catchUp = app.catchUp.value;
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
      {online && catchUp !== undefined && (
        <div class="banner">
          <span>{catchUp.paused ? t('catch.paused') : t('catch.under-way')}</span>
          {/* The numbers change too often to be read out. */}
          <span class="numbers" aria-hidden="true">
            {catchUp.total === undefined ? t('catch.done', { done: catchUp.done }) : t('catch.of', { done: catchUp.done, total: catchUp.total })}
          </span>
          <progress aria-label={t('catch.under-way')} max={catchUp.total} value={catchUp.total === undefined ? undefined : catchUp.done} />
          <button type="button" onClick={() => app.holdCatchUp(!catchUp.paused)}>
            {t(catchUp.paused ? 'catch.go' : 'catch.pause')}
          </button>
        </div>
      )}
      {online && catchUp === undefined && ready.value && (
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
