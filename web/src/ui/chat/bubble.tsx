// SPDX-License-Identifier: Apache-2.0

// One message.
import { useState } from 'preact/hooks';
import type { Message } from '../../core/view';
import { t } from '../../i18n';
import { announce } from '../announce';
import { Ticks } from '../chats/ticks';
import { sentence, useApp } from '../context';
import { size } from '../files/size';
import { Icon } from '../kit/icon';
import { clock, date, full } from '../time';
import { Attachment } from './attachment';
import { Body } from './body';
import { emojiOnly } from './linkify';

interface Props {
  readonly message: Message;
  readonly name: string; // of the other person
  readonly first: boolean; // of its group
  readonly last: boolean;
  readonly fresh: boolean; // came while the chat was open: it moves in
  readonly trusted: boolean; // the other person is a contact
}

export function Bubble({ message, name, first, last, fresh, trusted }: Props) {
  const { mine, state, unreadable, file } = message;
  const big = unreadable === undefined && file === undefined && emojiOnly(message.body);
  const looks = ['message', mine && 'mine', first && 'first', last && 'last', big && 'big', fresh && 'fresh'];
  const waits = state === 'queued' || state === 'sent' || state === 'failed';
  return (
    <li class={looks.filter(Boolean).join(' ')}>
      <div class={unreadable === undefined ? (file === undefined ? 'bubble' : 'bubble filed') : 'bubble sealed'} title={full(message.time)}>
        <span class="hidden">{mine ? t('chat.from.you') : name}: </span>
        {file !== undefined ? (
          <Attachment message={message} file={file} trusted={mine || trusted} name={mine ? t('chat.from.you') : name} />
        ) : unreadable === undefined ? (
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
      <span>{wrong !== '' ? wrong : reason(message, name, app.fileLimit.value ?? 0)}</span>
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

function reason({ failure, retryAt }: Message, name: string, limit: number): string {
  if (failure === undefined) return t('failure.unknown');
  if (failure === 'file-too-large' && limit > 0) return t('failure.file-too-large.limit', { limit: size(limit) });
  if (failure === 'quota' && retryAt !== undefined && retryAt > 0) return t('failure.quota.until', { when: date(retryAt) });
  return t(`failure.${failure}`, { name });
}
