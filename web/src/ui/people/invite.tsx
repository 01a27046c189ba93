// SPDX-License-Identifier: Apache-2.0

// An invitation for a friend: a link to copy or share, and its QR code to be photographed.
import './people.css';
import { useEffect, useState } from 'preact/hooks';
import type { Invitation } from '../../core/view';
import { t } from '../../i18n';
import { announce } from '../announce';
import { sentence, useApp } from '../context';
import { Copy } from '../kit/copy';
import { Dialog } from '../kit/dialog';
import { Icon } from '../kit/icon';
import { date } from '../time';

export function InviteButton() {
  const [open, setOpen] = useState(false);
  return (
    <>
      <button type="button" class="button main" onClick={() => setOpen(true)}>
        <Icon name="invite" />
        {t('new.invite')}
      </button>
      {open && <Invite onClose={() => setOpen(false)} />}
    </>
  );
}

export function Invite({ onClose }: { onClose: () => void }) {
  const app = useApp();
  const [invitation, setInvitation] = useState<Invitation>();
  const [wrong, setWrong] = useState('');
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    let gone = false;
    setWrong('');
    app.invite().then(
      (made) => void (gone || setInvitation(made)),
      (error: unknown) => {
        if (gone) return;
        setWrong(sentence(error));
        announce(sentence(error), true);
      },
    );
    return () => void (gone = true);
  }, [attempt]);

  return (
    <Dialog title={t('invite.title')} onClose={onClose}>
      <div class="invite">
        <p class="soft">{t('invite.text')}</p>
        {invitation !== undefined ? (
          <Made invitation={invitation} />
        ) : wrong !== '' ? (
          <>
            <p class="wrong">{wrong}</p>
            <button type="button" class="button wide" onClick={() => setAttempt(attempt + 1)}>
              {t('invite.again')}
            </button>
          </>
        ) : (
          <p class="waiting" role="status">
            <span class="spinner" aria-hidden="true" />
            {t('invite.making')}
          </p>
        )}
        <button type="button" class="button plain wide" onClick={onClose}>
          {t('common.close')}
        </button>
      </div>
    </Dialog>
  );
}

function Made({ invitation }: { invitation: Invitation }) {
  const share = { title: t('invite.title'), text: t('invite.share.text'), url: invitation.url };
  const canShare = 'share' in navigator && navigator.canShare(share);
  return (
    <>
      <img class="qr" src={invitation.qr} width={216} height={216} alt={t('invite.qr')} />
      <div class="link">
        <input
          type="text"
          readOnly
          dir="ltr"
          value={invitation.url}
          aria-label={t('invite.link')}
          onFocus={(event) => event.currentTarget.select()}
        />
        <Copy text={invitation.url} label={t('common.copy')} />
      </div>
      {canShare && (
        <div class="both">
          <button type="button" class="button main" onClick={() => void navigator.share(share).catch(() => undefined)}>
            <Icon name="share" />
            {t('common.share')}
          </button>
        </div>
      )}
      <p class="soft">{t('invite.expires', { date: date(invitation.expires) })}</p>
    </>
  );
}
