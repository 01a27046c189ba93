// SPDX-License-Identifier: Apache-2.0

// Adding a contact by address.
import { useEffect, useRef, useState } from 'preact/hooks';
import { t } from '../../i18n';
import { announce } from '../announce';
import { sentence, useApp } from '../context';
import { Dialog } from '../kit/dialog';
import { Field } from '../kit/field';
import { go } from '../route';

export function Add({ start = '', onClose }: { start?: string; onClose: () => void }) {
  const app = useApp();
  const [address, setAddress] = useState(start);
  const [name, setName] = useState('');
  const [wrong, setWrong] = useState('');
  const [busy, setBusy] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), []);
  const add = async (): Promise<void> => {
    if (busy) return;
    const typed = address.trim();
    const whole = typed.includes('@') || typed === '' ? typed : `${typed}@${app.domain}`;
    setBusy(true);
    setWrong('');
    try {
      await app.addContact(whole, name.trim());
      onClose();
      go({ at: 'chat', address: whole.toLowerCase() });
    } catch (error) {
      setBusy(false);
      setWrong(sentence(error));
      announce(sentence(error), true);
      input.current?.focus();
    }
  };
  return (
    <Dialog title={t('add.title')} onClose={onClose}>
      <p class="soft">{t('add.text')}</p>
      <form
        class="fields"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          void add();
        }}
      >
        <Field label={t('add.address')} value={address} onText={setAddress} wrong={wrong} inputRef={input} address required />
        <Field label={t('add.name')} value={name} onText={setName} />
        <div class="actions">
          <button type="button" class="button plain" onClick={onClose}>
            {t('common.cancel')}
          </button>
          <button type="submit" class="button main" aria-disabled={busy}>
            {busy && <span class="spinner" aria-hidden="true" />}
            {t('add.go')}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
