// SPDX-License-Identifier: Apache-2.0

// How one is told of new messages on this device, and whether that works.
import { useEffect, useState } from 'preact/hooks';
import type { PushDevice } from '../../core/view';
import { type Key, t } from '../../i18n';
import { announce } from '../announce';
import { sentence, useApp } from '../context';
import { Icon } from '../kit/icon';
import { brief, full, minute } from '../time';
import { Group, Page, useWork } from './page';

export function Notifications() {
  const app = useApp();
  const allowed = app.notifications.value;
  const on = allowed === 'on' && !app.silenced.value;
  const [changes, setChanges] = useState(0); // of what the server knows
  return (
    <Page title={t('settings.notifications')} up={{ at: 'settings' }}>
      <Switch onChanged={() => setChanges((n) => n + 1)} />
      {on && <Content />}
      {app.push.value === 'on' && <Told changes={changes} />}
    </Page>
  );
}

// On or off, why, and what can be done.
function Switch({ onChanged }: { onChanged: () => void }) {
  const app = useApp();
  const { busy, wrong, run } = useWork();
  const allowed = app.notifications.value;
  const push = app.push.value;
  const on = allowed === 'on' && !app.silenced.value;
  const change = (work: () => Promise<void>): void => void run(work).then(onChanged);
  if (push === 'install') {
    return (
      <div class="note">
        <p>{t('notifications.install')}</p>
        <ol class="steps">
          <li>{t('notifications.install.1')}</li>
          <li>{t('notifications.install.2')}</li>
          <li>{t('notifications.install.3')}</li>
        </ol>
      </div>
    );
  }
  const state: Key =
    allowed === 'off' ? 'notifications.denied'
    : allowed === 'unsupported' ? 'notifications.unsupported'
    : !on ? 'notifications.ask'
    : push === 'on' ? 'notifications.on'
    : 'notifications.open';
  const can = allowed === 'ask' || allowed === 'on';
  const partly = on && push === 'off'; // only while the app is open, though more is possible
  return (
    <div class="card">
      <div class="item">
        <Icon name="bell" />
        <span class="words" role="status">
          {t(state)}
        </span>
      </div>
      {wrong !== '' && <p class="item wrong">{wrong}</p>}
      {can && (
        <div class="ways">
          {on && (
            <button type="button" class="button small" aria-disabled={busy} onClick={() => change(() => app.disableNotifications())}>
              {t('notifications.disable')}
            </button>
          )}
          {(!on || partly) && (
            <button type="button" class="button small main" aria-disabled={busy} onClick={() => change(() => app.enableNotifications())}>
              {busy && <span class="spinner" aria-hidden="true" />}
              {t(partly ? 'notifications.push' : 'notifications.enable')}
            </button>
          )}
        </div>
      )}
    </div>
  );
}

// What a notification says.
function Content() {
  const app = useApp();
  return (
    <Group title={t('notifications.content')}>
      <fieldset class="options" aria-label={t('notifications.content')}>
        {([false, true] as const).map((discreet) => (
          <label key={String(discreet)}>
            <input type="radio" name="discreet" checked={app.discreet.value === discreet} onChange={() => void app.setDiscreet(discreet).catch(() => undefined)} />
            {t(discreet ? 'notifications.discreet' : 'notifications.full')}
          </label>
        ))}
      </fieldset>
    </Group>
  );
}

// The devices that the server tells, and a test of this one.
function Told({ changes }: { changes: number }) {
  const app = useApp();
  const [devices, setDevices] = useState<readonly PushDevice[]>();
  const [wrong, setWrong] = useState('');
  const [result, setResult] = useState<{ readonly good: boolean; readonly text: string }>();
  const [tests, setTests] = useState(0);
  const { busy, run } = useWork();
  const online = app.connection.value === 'online';
  useEffect(() => {
    let gone = false;
    app.pushDevices().then(
      (list) => {
        if (gone) return;
        setDevices(list);
        setWrong('');
      },
      (error: unknown) => void (gone || setWrong(sentence(error))),
    );
    return () => void (gone = true);
  }, [changes, tests, online]);
  const test = (): void => {
    setResult(undefined);
    void run(async () => {
      const say = (good: boolean, text: string): void => {
        setResult({ good, text });
        announce(text, !good);
      };
      try {
        const why = await app.testPush();
        say(why === '', why === '' ? t('push.sent') : reason(why));
      } catch (error) {
        say(false, sentence(error));
      }
      setTests((n) => n + 1);
    });
  };
  return (
    <>
      <Group title={t('push.test')} text={t('push.test.text')}>
        <div class="item">
          <span class="words alone">
            {result === undefined ? <span class="label">{t('push.test.hint')}</span> : <span class={result.good ? 'good' : 'wrong'}>{result.text}</span>}
          </span>
          <button type="button" class="button small" aria-disabled={busy} onClick={test}>
            {busy && <span class="spinner" aria-hidden="true" />}
            {t('push.test.go')}
          </button>
        </div>
      </Group>
      <Group title={t('push.devices')} text={t('push.devices.text')}>
        {wrong !== '' && <p class="item wrong">{wrong}</p>}
        {devices?.length === 0 && <p class="item none">{t('push.devices.none')}</p>}
        <ul>
          {devices?.map((d) => (
            <li key={d.id} class="item">
              <Icon name="devices" />
              <span class="words">
                <bdi>{d.name || t('devices.nameless')}</bdi>
                {d.here && <span class="label"> · {t('push.here')}</span>}
                <br />
                <Health device={d} />
              </span>
            </li>
          ))}
        </ul>
      </Group>
    </>
  );
}

function Health({ device }: { device: PushDevice }) {
  const { failed, sent } = device;
  if (failed > 0) {
    return (
      <span class="wrong" title={full(failed)}>
        {reason(device.error)}
      </span>
    );
  }
  return (
    <span class="label" title={sent > 0 ? full(sent) : undefined}>
      {sent > 0 ? t('push.works', { when: brief(sent, minute.value) }) : t('push.unused')}
    </span>
  );
}

const REASONS: Readonly<Record<string, Key>> = {
  gone: 'push.gone', refused: 'push.refused', busy: 'push.busy', unreachable: 'push.unreachable', 'forbidden-address': 'push.forbidden',
};

function reason(why: string): string {
  return t(REASONS[why] ?? 'push.failed');
}
