// SPDX-License-Identifier: Apache-2.0

// Somebody who has an account already opened an invitation and chose "I already have an account": the portal leads to
// /#contact=ADDRESS&token=TOKEN. Whoever is logged in then, or logs in next, is asked whether to add that person. The
// address stays in the address bar until there is an answer, so a reload does not lose it.
import { signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import { t } from '../../i18n';
import { announce } from '../announce';
import { localpart, sentence, useApp } from '../context';
import { Dialog } from '../kit/dialog';
import { go } from '../route';

const proposed = signal('');
let token = ''; // of the invitation; '' for none

/** start reads the address bar, now and whenever its fragment changes. It returns what ends that. */
export function start(): () => void {
  const read = (): void => {
    const values = new URLSearchParams(location.hash.slice(1));
    token = values.get('token') ?? '';
    proposed.value = values.get('contact')?.trim().toLowerCase() ?? '';
  };
  read();
  addEventListener('hashchange', read);
  return () => {
    removeEventListener('hashchange', read);
    proposed.value = '';
  };
}

function done(): void {
  history.replaceState(history.state, '', location.pathname + location.search);
  token = '';
  proposed.value = '';
}

/** Propose asks, where there is somebody to be added who is not a contact yet. */
export function Propose() {
  const app = useApp();
  const address = proposed.value;
  const session = app.session.value;
  const own = session.kind === 'in' && session.address === address;
  const contact = app.contacts.value.find((c) => c.address === address);
  const known = contact !== undefined && (contact.mutual || contact.asked);
  useEffect(() => {
    if (address === '' || !(own || known)) return;
    done();
    if (known) go({ at: 'chat', address });
  }, [address, own, known]);
  return address === '' || own || known ? null : <Question key={address} address={address} />;
}

function Question({ address }: { address: string }) {
  const app = useApp();
  const [wrong, setWrong] = useState('');
  const [busy, setBusy] = useState(false);
  const add = async (): Promise<void> => {
    if (busy) return;
    setBusy(true);
    setWrong('');
    try {
      await app.addContact(address, '', token);
      done();
      go({ at: 'chat', address });
    } catch (error) {
      setBusy(false);
      setWrong(sentence(error));
      announce(sentence(error), true);
    }
  };
  return (
    <Dialog title={t('propose.title', { name: localpart(address) })} onClose={done}>
      <p>{t(token === '' ? 'propose.text' : 'propose.text.invited', { address })}</p>
      {wrong !== '' && <p class="wrong">{wrong}</p>}
      <div class="actions">
        <button type="button" class="button plain" onClick={done}>
          {t('propose.later')}
        </button>
        <button type="button" class="button main" aria-disabled={busy} onClick={() => void add()}>
          {busy && <span class="spinner" aria-hidden="true" />}
          {t('propose.go')}
        </button>
      </div>
    </Dialog>
  );
}
