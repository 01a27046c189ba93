// SPDX-License-Identifier: Apache-2.0

// What every page of the settings has: a way back, a heading that takes the focus, and a column.
import '../people/people.css';
import './settings.css';
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { t } from '../../i18n';
import { announce } from '../announce';
import { sentence } from '../context';
import { Icon } from '../kit/icon';
import { back, type Route } from '../route';

export function Page({ title, up, children }: { title: string; up?: Route; children: ComponentChildren }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  return (
    <div class="sheet">
      <div class="bar">
        <button type="button" class="round" aria-label={t('common.back')} onClick={() => back(up)}>
          <Icon name="back" />
        </button>
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
      </div>
      <div class="scroll">
        <div class="column">{children}</div>
      </div>
    </div>
  );
}

/** A heading and a card under it. */
export function Group({ title, text, children }: { title: string; text?: string; children: ComponentChildren }) {
  const id = useId();
  return (
    <section class="group" aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      <div class="card">{children}</div>
      {text !== undefined && <p class="under">{text}</p>}
    </section>
  );
}

/** useWork runs one thing at a time and says what went wrong, on the screen and aloud. */
export function useWork(): { busy: boolean; wrong: string; run: (work: () => Promise<void>) => Promise<boolean>; clear: () => void } {
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState('');
  const run = async (work: () => Promise<void>): Promise<boolean> => {
    if (busy) return false;
    setBusy(true);
    setWrong('');
    try {
      await work();
      return true;
    } catch (error) {
      setWrong(sentence(error));
      announce(sentence(error), true);
      return false;
    } finally {
      setBusy(false);
    }
  };
  return { busy, wrong, run, clear: () => setWrong('') };
}
