// SPDX-License-Identifier: Apache-2.0

// A part of the app that is fetched when it is first needed. The service worker keeps all parts, so that is quick; where
// it takes longer, something turns.
import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { t } from '../../i18n';

const PATIENCE = 300; // ms

/** lazy returns a component that fetches the real one. */
export function lazy<P extends object>(load: () => Promise<ComponentType<P>>): ComponentType<P> {
  let Loaded: ComponentType<P> | undefined;
  return function Lazy(props: P) {
    const [, again] = useState(0);
    const [state, setState] = useState<'quick' | 'slow' | 'lost'>('quick');
    const [attempt, setAttempt] = useState(0);
    useEffect(() => {
      if (Loaded !== undefined) return;
      let gone = false;
      setState('quick');
      const timer = setTimeout(() => setState('slow'), PATIENCE);
      load().then(
        (component) => {
          Loaded = component;
          if (!gone) again(1);
        },
        () => void (gone || setState('lost')),
      ).finally(() => clearTimeout(timer));
      return () => {
        gone = true;
        clearTimeout(timer);
      };
    }, [attempt]);
    if (Loaded !== undefined) return <Loaded {...props} />;
    if (state === 'quick') return null;
    if (state === 'slow') {
      return (
        <p class="waiting" role="status">
          <span class="spinner" aria-hidden="true" />
          {t('app.loading')}
        </p>
      );
    }
    return (
      <div class="waiting" role="alert">
        <p>{t('app.part')}</p>
        <button type="button" class="button small" onClick={() => setAttempt(attempt + 1)}>
          {t('app.retry')}
        </button>
      </div>
    );
  };
}
