// SPDX-License-Identifier: Apache-2.0

// Where messages are missing on this device: they are fetched when the person comes by, or presses the button where that
// did not work.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Gap as Missing, Timeline } from '../../core/view';
import { t } from '../../i18n';
import { sentence } from '../context';

export function Gap({ gap, timeline, online }: { gap: Missing; timeline: Timeline; online: boolean }) {
  const row = useRef<HTMLLIElement>(null);
  const [seen, setSeen] = useState(false);
  const [wrong, setWrong] = useState('');
  const [asked, setAsked] = useState(0);
  useEffect(() => {
    const el = row.current;
    if (el === null || !('IntersectionObserver' in globalThis)) return;
    const watch = new IntersectionObserver((entries) => setSeen(entries.some((e) => e.isIntersecting)), { rootMargin: '200px' });
    watch.observe(el);
    return () => watch.disconnect();
  }, []);
  useEffect(() => {
    if ((!seen && asked === 0) || gap.busy || !online) return;
    let gone = false;
    setWrong('');
    timeline.fill(gap.id).catch((error: unknown) => void (gone || setWrong(sentence(error))));
    return () => void (gone = true);
  }, [seen, gap.before, online, asked]);
  return (
    <li ref={row} class="gap">
      {gap.busy ? (
        <>
          <span class="spinner" aria-hidden="true" />
          <span>{t('gap.filling')}</span>
        </>
      ) : (
        <>
          <span>{wrong !== '' ? wrong : t('gap.text')}</span>
          <button type="button" onClick={() => setAsked((n) => n + 1)}>
            {t('gap.fill')}
          </button>
        </>
      )}
    </li>
  );
}
