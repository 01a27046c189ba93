// SPDX-License-Identifier: Apache-2.0

// People who ask to be a contact: each may be accepted or declined.
import { useState } from 'preact/hooks';
import type { Request } from '../../core/view';
import { t } from '../../i18n';
import { announce } from '../announce';
import { localpart, sentence, useApp } from '../context';
import { Avatar } from '../kit/avatar';
import { go } from '../route';

export function Requests() {
  const requests = useApp().requests.value;
  if (requests.length === 0) return null;
  return (
    <section class="requests" aria-labelledby="requests">
      <h2 id="requests">{t('requests.title')}</h2>
      {requests.map((request) => (
        <Card key={request.address} request={request} />
      ))}
    </section>
  );
}

export function Card({ request }: { request: Request }) {
  const app = useApp();
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState('');
  const name = localpart(request.address);
  const answer = async (accept: boolean): Promise<void> => {
    if (busy) return;
    setBusy(true);
    try {
      await app.answer(request.address, accept);
      if (accept) go({ at: 'chat', address: request.address });
    } catch (error) {
      setBusy(false);
      setWrong(sentence(error));
      announce(sentence(error), true);
    }
  };
  return (
    <article class="request">
      <Avatar address={request.address} name={name} />
      <div class="words">
        <p>{t('requests.text', { name })}</p>
        <p class="address" dir="ltr">
          {request.address}
        </p>
        {request.note !== '' && <p dir="auto">{request.note}</p>}
        {wrong !== '' && <p class="wrong">{wrong}</p>}
      </div>
      <div class="actions">
        <button
          type="button"
          class="button small"
          aria-disabled={busy}
          aria-label={t('requests.decline.name', { name })}
          onClick={() => void answer(false)}
        >
          {t('requests.decline')}
        </button>
        <button
          type="button"
          class="button small main"
          aria-disabled={busy}
          aria-label={t('requests.accept.name', { name })}
          onClick={() => void answer(true)}
        >
          {t('requests.accept')}
        </button>
      </div>
    </article>
  );
}
