// SPDX-License-Identifier: Apache-2.0

// Changing the password of the account.
import { useEffect, useRef, useState } from 'preact/hooks';
import { CommandError } from '../../core/view';
import { t } from '../../i18n';
import { announce } from '../announce';
import { sentence, useApp } from '../context';
import { Dialog } from '../kit/dialog';
import { Field } from '../kit/field';
import { strength, type Strength } from './strength';

const LEVEL: Readonly<Record<Strength, number>> = { short: 1, weak: 2, fair: 3, good: 4 };

export function Password({ onClose }: { onClose: () => void }) {
  const app = useApp();
  const session = app.session.value;
  const account = session.kind === 'in' ? session.address : '';
  const [current, setCurrent] = useState('');
  const [next, setNext] = useState('');
  const [wrong, setWrong] = useState('');
  const [wrongNow, setWrongNow] = useState(''); // with the present one
  const [busy, setBusy] = useState(false);
  const [done, setDone] = useState(false);
  const first = useRef<HTMLInputElement>(null);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => first.current?.focus(), []);
  const level = strength(next, account.split('@')[0] ?? '');

  const change = async (): Promise<void> => {
    if (busy) return;
    setWrong('');
    setWrongNow('');
    setBusy(true);
    try {
      await app.changePassword(current, next);
      setDone(true);
      announce(t('settings.password.done'));
    } catch (error) {
      const now = error instanceof CommandError && error.reason === 'current-password';
      setBusy(false);
      (now ? setWrongNow : setWrong)(sentence(error));
      announce(sentence(error), true);
      (now ? first : input).current?.focus();
    }
  };

  if (done) {
    return (
      <Dialog title={t('settings.password.title')} onClose={onClose}>
        <p>{t('settings.password.done')}</p>
        <p class="soft">{t('settings.password.text')}</p>
        <div class="actions">
          <button type="button" class="button main" onClick={onClose}>
            {t('common.close')}
          </button>
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog title={t('settings.password.title')} onClose={onClose}>
      <p class="soft">{t('settings.password.text')}</p>
      <form
        class="fields"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          void change();
        }}
      >
        {/* For password managers, which keep a password beside its name. */}
        <input type="text" class="hidden" name="username" autocomplete="username" value={account} readOnly tabIndex={-1} aria-hidden="true" />
        <Field
          label={t('settings.password.now')}
          type="password"
          fill="current-password"
          value={current}
          onText={setCurrent}
          wrong={wrongNow}
          inputRef={first}
          required
        />
        <Field
          label={t('settings.password.new')}
          type="password"
          fill="new-password"
          value={next}
          onText={setNext}
          hint={wrong === '' ? t('settings.password.hint') : undefined}
          wrong={wrong}
          inputRef={input}
          required
        />
        {next !== '' && (
          <div class="strength">
            <meter min={0} max={4} low={3} high={3.5} optimum={4} value={LEVEL[level]} aria-hidden="true" />
            <span role="status">{t('settings.strength', { strength: t(`settings.strength.${level}`) })}</span>
          </div>
        )}
        <div class="actions">
          <button type="button" class="button plain" onClick={onClose}>
            {t('common.cancel')}
          </button>
          <button type="submit" class="button main" aria-disabled={busy}>
            {busy && <span class="spinner" aria-hidden="true" />}
            {t('settings.password.go')}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
