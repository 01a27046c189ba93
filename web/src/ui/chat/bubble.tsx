// SPDX-License-Identifier: Apache-2.0

// One message.
import { useState } from 'preact/hooks';
import type { Message } from '../../core/view';
import { t } from '../../i18n';
import { announce } from '../announce';
import { Ticks } from '../chats/ticks';
import { sentence, useApp } from '../context';
import { Icon } from '../kit/icon';
import { clock, full } from '../time';
import { Body } from './body';
import { emojiOnly } from './linkify';

interface Props {
  readonly message: Message;
  readonly name: string; // of the other person
  readonly first: boolean; // of its group
  readonly last: boolean;
  readonly fresh: boolean; // came while the chat was open: it moves in
}

export function Bubble({ message, name, first, last, fresh }: Props) {
  const { mine, state, unreadable } = message;
  const big = unreadable === undefined && emojiOnly(message.body);
  const looks = ['message', mine && 'mine', first && 'first', last && 'last', big && 'big', fresh && 'fresh'];
  const waits = state === 'queued' || state === 'sent' || state === 'failed';
  return (
    <li class={looks.filter(Boolean).join(' ')}>
      <div class={unreadable === undefined ? 'bubble' : 'bubble sealed'} title={full(message.time)}>
        <span class="hidden">{mine ? t('chat.from.you') : name}: </span>
        {unreadable === undefined ? (
          <Body text={message.body} />
        ) : (
          <>
            <Icon name="lock" />
            <span class="text">{t('chat.encrypted')}</span>
          </>
        )}
        {last || waits || big ? (
          <span class="meta">
            <time dateTime={new Date(message.time).toISOString()}>{clock(message.time)}</time>
            {mine && state !== undefined && <Ticks state={state} />}
          </span>
        ) : (
          <span class="hidden">
            {clock(message.time)} {mine && state !== undefined && t(`state.${state}`)}
          </span>
        )}
      </div>
      {state === 'failed' && <Failed message={message} name={name} />}
    </li>
  );
}

function Failed({ message, name }: { message: Message; name: string }) {
  const app = useApp();
  const [wrong, setWrong] = useState('');
  const run = (command: Promise<void>): void => {
    command.catch((error: unknown) => {
      setWrong(sentence(error));
      announce(sentence(error), true);
    });
  };
  return (
    <div class="failure">
      <span>{wrong !== '' ? wrong : message.failure === undefined ? t('failure.unknown') : t(`failure.${message.failure}`, { name })}</span>
      <span class="ways">
        <button type="button" onClick={() => run(app.resend(message.key))}>
          {t('chat.again')}
        </button>
        <button type="button" onClick={() => run(app.discard(message.key))}>
          {t('chat.delete')}
        </button>
      </span>
    </div>
  );
}
