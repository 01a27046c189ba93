// SPDX-License-Identifier: Apache-2.0

// A button that copies a text and says that it did.
import { useEffect, useRef, useState } from 'preact/hooks';
import { t } from '../../i18n';
import { announce } from '../announce';
import { Icon } from './icon';

interface Props {
  readonly text: string;
  readonly label: string; // what is copied, for a screen reader
  readonly look?: 'round' | 'button';
}

export function Copy({ text, label, look = 'round' }: Props) {
  const [done, setDone] = useState(false);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      return; // Not allowed here; the text stands beside the button and can be selected.
    }
    announce(t('common.copied'));
    setDone(true);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setDone(false), 2000);
  };
  return (
    <button type="button" class={look} aria-label={look === 'round' ? label : undefined} onClick={() => void copy()}>
      <Icon name={done ? 'check' : 'copy'} />
      {look === 'button' && t(done ? 'common.copied' : 'common.copy')}
    </button>
  );
}
