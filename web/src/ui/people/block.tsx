// SPDX-License-Identifier: Apache-2.0

// The question before somebody is blocked, and whether to tell who runs the server.
import { useState } from 'preact/hooks';
import { t } from '../../i18n';
import { announce } from '../announce';
import { sentence, useApp } from '../context';
import { Dialog } from '../kit/dialog';

export function Block({ address, name, onClose }: { address: string; name: string; onClose: () => void }) {
  const app = useApp();
  const [report, setReport] = useState(false);
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState('');
  const block = async (): Promise<void> => {
    if (busy) return;
    setBusy(true);
    try {
      await app.block(address, report ? 'spam' : '');
      announce(t('blocked.text', { name }));
      onClose();
    } catch (error) {
      setBusy(false);
      setWrong(sentence(error));
      announce(sentence(error), true);
    }
  };
  return (
    <Dialog title={t('block.title', { name })} onClose={onClose}>
      <p>{t('block.text')}</p>
      <label class="tick">
        <input type="checkbox" checked={report} onChange={(event) => setReport(event.currentTarget.checked)} />
        <span>
          {t('block.report')}
          <br />
          <span class="label">{t('block.report.text')}</span>
        </span>
      </label>
      {wrong !== '' && <p class="wrong">{wrong}</p>}
      <div class="actions">
        <button type="button" class="button plain" onClick={onClose}>
          {t('common.cancel')}
        </button>
        <button type="button" class="button danger main" aria-disabled={busy} onClick={() => void block()}>
          {busy && <span class="spinner" aria-hidden="true" />}
          {t(report ? 'block.go.report' : 'block.go')}
        </button>
      </div>
    </Dialog>
  );
}
