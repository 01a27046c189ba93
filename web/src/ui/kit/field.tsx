// SPDX-License-Identifier: Apache-2.0

// A labelled line to write in, with a hint and with what is wrong under it.
import type { Ref, TargetedInputEvent } from 'preact';
import { useId, useState } from 'preact/hooks';
import { t } from '../../i18n';
import { Icon } from './icon';

interface Props {
  readonly label: string;
  readonly value: string;
  readonly onText: (text: string) => void;
  readonly type?: 'text' | 'password';
  readonly hint?: string;
  readonly wrong?: string; // a sentence; '' or absent: nothing is wrong
  readonly inputRef?: Ref<HTMLInputElement>;
  readonly name?: string;
  readonly fill?: 'username' | 'current-password' | 'new-password' | 'off'; // autocomplete
  readonly address?: boolean; // an address is written in it: no capitals, no spelling
  readonly required?: boolean;
  readonly readOnly?: boolean;
}

export function Field(props: Props) {
  const { label, value, onText, type = 'text', hint, wrong = '', inputRef, address = false, fill = 'off' } = props;
  const id = useId();
  const [shown, setShown] = useState(false);
  const about = [hint === undefined ? '' : id + 'h', wrong === '' ? '' : id + 'w'].filter((s) => s !== '').join(' ');
  const common = {
    id,
    ref: inputRef ?? null,
    value,
    name: props.name,
    autocomplete: fill,
    autocapitalize: address ? 'none' : undefined,
    autocorrect: address ? 'off' : undefined,
    spellcheck: address ? false : undefined,
    inputMode: address ? 'email' : undefined,
    required: props.required,
    readOnly: props.readOnly,
    'aria-invalid': wrong !== '',
    'aria-describedby': about === '' ? undefined : about,
    onInput: (event: TargetedInputEvent<HTMLInputElement>) => onText(event.currentTarget.value),
  } as const;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <div class="box">
        {type === 'password' && !shown ? <input {...common} type="password" /> : <input {...common} type="text" />}
        {type === 'password' && (
          <button
            type="button"
            class="round"
            aria-label={t(shown ? 'login.password.hide' : 'login.password.show')}
            onClick={() => setShown(!shown)}
          >
            <Icon name={shown ? 'eyeOff' : 'eye'} />
          </button>
        )}
      </div>
      {hint !== undefined && (
        <p class="hint" id={id + 'h'}>
          {hint}
        </p>
      )}
      {wrong !== '' && (
        <p class="wrong" id={id + 'w'}>
          {wrong}
        </p>
      )}
    </div>
  );
}
