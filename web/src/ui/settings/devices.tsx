// SPDX-License-Identifier: Apache-2.0

// The devices that are signed in to the account, and how to sign them out.
import { useEffect, useState } from 'preact/hooks';
import { CommandError, type DeviceInfo } from '../../core/view';
import { t } from '../../i18n';
import { announce } from '../announce';
import { sentence, useApp } from '../context';
import { Dialog } from '../kit/dialog';
import { Icon } from '../kit/icon';
import { brief, full, minute } from '../time';
import { Group, Page } from './page';
import { Password } from './password';

type Open = { readonly kind: 'password' } | { readonly kind: 'out'; readonly devices: readonly DeviceInfo[] };

export function Devices() {
  const app = useApp();
  const [devices, setDevices] = useState<readonly DeviceInfo[]>();
  const [wrong, setWrong] = useState('');
  const [attempt, setAttempt] = useState(0);
  const [open, setOpen] = useState<Open>();
  const [gone, setGone] = useState<ReadonlySet<string>>(new Set()); // signed out, though their sessions may end a moment later
  const online = app.connection.value === 'online';
  useEffect(() => {
    let gone = false;
    app.devices().then(
      (list) => {
        if (gone) return;
        setDevices(list);
        setWrong('');
      },
      (error: unknown) => void (gone || setWrong(sentence(error))),
    );
    return () => void (gone = true);
  }, [attempt, online]);
  const here = devices?.filter((d) => d.here) ?? [];
  const others = devices?.filter((d) => !d.here && !gone.has(d.id)) ?? [];
  const again = (): void => setAttempt((n) => n + 1);

  return (
    <Page title={t('settings.devices')} up={{ at: 'settings' }}>
      {wrong !== '' && (
        <div class="note bad" role="alert">
          <p>{wrong}</p>
          <button type="button" class="button small" onClick={again}>
            {t('app.retry')}
          </button>
        </div>
      )}
      {devices === undefined && wrong === '' && (
        <p class="waiting" role="status">
          <span class="spinner" aria-hidden="true" />
          {t('app.loading')}
        </p>
      )}
      {here.length > 0 && (
        <Group title={t('devices.here')}>
          {here.map((d) => (
            <One key={d.id} device={d} />
          ))}
        </Group>
      )}
      {devices !== undefined && (
        <Group title={t('devices.others')} text={t('devices.text')}>
          {others.length === 0 && <p class="item none">{t('devices.none')}</p>}
          <ul>
            {others.map((d) => (
              <li key={d.id}>
                <One device={d} onOut={() => setOpen({ kind: 'out', devices: [d] })} />
              </li>
            ))}
          </ul>
          {others.length > 1 && (
            <button type="button" class="item danger" onClick={() => setOpen({ kind: 'out', devices: others })}>
              <Icon name="leave" />
              <span class="words">{t('devices.all')}</span>
            </button>
          )}
        </Group>
      )}
      {open?.kind === 'out' && (
        <Out
          devices={open.devices}
          onPassword={() => setOpen({ kind: 'password' })}
          onClose={(done) => {
            setOpen(undefined);
            if (done) setGone(new Set([...gone, ...open.devices.map((d) => d.id)]));
            again();
          }}
        />
      )}
      {open?.kind === 'password' && (
        <Password
          onClose={() => {
            setOpen(undefined);
            again();
          }}
        />
      )}
    </Page>
  );
}

function nameOf(d: DeviceInfo): string {
  return d.device || d.software || t('devices.nameless');
}

function One({ device, onOut }: { device: DeviceInfo; onOut?: () => void }) {
  const name = nameOf(device);
  const seen = device.here || device.connected ? t('devices.now') : device.lastSeen > 0 ? t('devices.seen', { when: brief(device.lastSeen, minute.value) }) : '';
  return (
    <div class="item">
      <Icon name="devices" />
      <span class="words">
        <bdi>{name}</bdi>
        <br />
        <span class="label" title={device.lastSeen > 0 ? full(device.lastSeen) : undefined}>
          {[device.device === '' ? '' : device.software, seen, device.network].filter((s) => s !== '').join(' · ')}
        </span>
      </span>
      {onOut !== undefined && (
        <button type="button" class="button small" aria-label={t('devices.out.name', { name })} onClick={onOut}>
          {t('devices.out')}
        </button>
      )}
    </div>
  );
}

function Out({ devices, onPassword, onClose }: { devices: readonly DeviceInfo[]; onPassword: () => void; onClose: (done: boolean) => void }) {
  const app = useApp();
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState('');
  const [first] = devices;
  const one = devices.length === 1 && first !== undefined;
  const [password, setPassword] = useState(one && first.password); // only a new one keeps it out
  const out = async (): Promise<void> => {
    if (busy) return;
    setBusy(true);
    try {
      await app.signOut(devices.map((d) => d.id));
      announce(t('devices.done'));
      onClose(true);
    } catch (error) {
      setBusy(false);
      setPassword(error instanceof CommandError && error.reason === 'password-needed');
      setWrong(sentence(error));
      announce(sentence(error), true);
    }
  };
  return (
    <Dialog title={one ? t('devices.out.title', { name: nameOf(first) }) : t('devices.all.title')} onClose={() => onClose(false)}>
      {wrong === '' && <p>{password ? t('error.password-needed') : t(one ? 'devices.out.text' : 'devices.all.text')}</p>}
      {wrong !== '' && <p class="wrong">{wrong}</p>}
      <div class="actions">
        <button type="button" class="button plain" onClick={() => onClose(false)}>
          {t('common.cancel')}
        </button>
        {password ? (
          <button type="button" class="button main" onClick={onPassword}>
            {t('settings.password')}
          </button>
        ) : (
          <button type="button" class="button danger main" onClick={() => void out()}>
            {busy && <span class="spinner" aria-hidden="true" />}
            {t('devices.out')}
          </button>
        )}
      </div>
    </Dialog>
  );
}
