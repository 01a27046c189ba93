// SPDX-License-Identifier: Apache-2.0

// Logging in: an address (or only the name, for accounts of this server) and the password.
import './login.css';
import { useEffect, useRef, useState } from 'preact/hooks';
import { CommandError, type Session } from '../../core/view';
import { t } from '../../i18n';
import { announce, hush } from '../announce';
import { sentence, useApp } from '../context';
import { Field } from '../kit/field';
import { Mark } from '../kit/mark';

/** Splash is seen while the kept session is read, which is short; words come after a second only. */
export function Splash() {
  return (
    <div class="splash" role="status">
      <Mark />
      <span class="wait">{t('app.loading')}</span>
    </div>
  );
}

/** NoStorage is all there is where the browser keeps nothing. */
export function NoStorage() {
  return (
    <main class="splash">
      <Mark />
      <p class="note bad" role="alert">
        {t('app.no-storage')}
      </p>
      <button type="button" class="button" onClick={() => location.reload()}>
        {t('app.reload')}
      </button>
    </main>
  );
}

type Wrong = { readonly at: 'address' | 'password' | 'form'; readonly text: string };

export function LogIn({ session }: { session: Session & { readonly kind: 'out' } }) {
  const { reason } = session;
  const app = useApp();
  const [address, setAddress] = useState(session.address ?? '');
  const [password, setPassword] = useState('');
  const [wrong, setWrong] = useState<Wrong>();
  const [going, setGoing] = useState(false);
  const attempt = useRef(0); // a log-in that was cancelled must not speak any more
  const addressRef = useRef<HTMLInputElement>(null);
  const passwordRef = useRef<HTMLInputElement>(null);

  useEffect(() => {
    (session.address === undefined ? addressRef : passwordRef).current?.focus();
    return () => {
      attempt.current++;
      hush();
    };
  }, []);

  const fail = (at: Wrong['at'], text: string): void => {
    setWrong({ at, text });
    announce(text, true);
    (at === 'password' ? passwordRef : addressRef).current?.focus();
  };

  const submit = async (): Promise<void> => {
    if (going) return;
    const typed = address.trim();
    if (typed === '') return fail('address', t('login.missing.address'));
    if (password === '') return fail('password', t('login.missing.password'));
    const mine = ++attempt.current;
    setWrong(undefined);
    hush();
    setGoing(true);
    try {
      await app.logIn(typed.includes('@') ? typed : `${typed}@${app.domain}`, password);
    } catch (error) {
      if (mine !== attempt.current) return;
      setGoing(false);
      fail(place(error), sentence(error));
    }
  };

  const cancel = (): void => {
    attempt.current++;
    setGoing(false);
    void app.logOut().catch(() => undefined); // drops what the attempt has begun; there is nothing else to lose
    passwordRef.current?.focus();
  };

  const at = (where: Wrong['at']): string => (wrong?.at === where ? wrong.text : '');
  return (
    <div class="login">
      <main>
        <header>
          <Mark />
          <h1>{t('login.title')}</h1>
          <p class="soft">{t('login.lead')}</p>
        </header>
        {reason !== undefined && wrong === undefined && <p class="note">{t(`login.out.${reason}`)}</p>}
        {at('form') !== '' && <p class="note bad">{at('form')}</p>}
        <form
          noValidate
          onSubmit={(event) => {
            event.preventDefault();
            void submit();
          }}
        >
          <Field
            label={t('login.address')}
            value={address}
            onText={setAddress}
            hint={t('login.address.hint', { example: `name@${app.domain}` })}
            wrong={at('address')}
            inputRef={addressRef}
            name="username"
            fill="username"
            address
            required
            readOnly={going}
          />
          <Field
            label={t('login.password')}
            type="password"
            value={password}
            onText={setPassword}
            wrong={at('password')}
            inputRef={passwordRef}
            name="password"
            fill="current-password"
            required
            readOnly={going}
          />
          {going ? (
            <div class="going">
              <button type="submit" class="button main" aria-disabled="true">
                <span class="spinner" aria-hidden="true" />
                <span role="status">{t('login.going')}</span>
              </button>
              <button type="button" class="button plain" onClick={cancel}>
                {t('login.cancel')}
              </button>
            </div>
          ) : (
            <button type="submit" class="button main wide">
              {t('login.go')}
            </button>
          )}
        </form>
        <p class="soft invited">{t('login.invited')}</p>
      </main>
    </div>
  );
}

function place(error: unknown): Wrong['at'] {
  if (!(error instanceof CommandError)) return 'form';
  switch (error.reason) {
    case 'wrong-password': return 'password';
    case 'bad-address':
    case 'unknown-domain': return 'address';
    default: return 'form';
  }
}
