// SPDX-License-Identifier: Apache-2.0

// From a push (doc/push.md) to the notification that it becomes.
import type { Notice } from '../i18n/notices';
import { childText, type Element } from '../xml/element';
import { isEncrypted } from '../xmpp/encrypted';
import { fileOf, kindOf } from '../xmpp/oob';
import type { Push } from '../xmpp/push';

export interface Note {
  readonly title: string;
  readonly body: string;
  readonly tag: string; // a later note of the same tag replaces it; '' for none
  readonly chat: string; // what a click opens: a chat, '' for the app
  readonly count: number; // messages it stands for
  readonly rings: boolean; // it stays until somebody answers
  readonly silent: boolean;
}

/** What is known of the person it comes from. */
export interface Known {
  readonly name: string; // '' for nothing
  readonly discreet: boolean; // do not say who wrote what
}

export type Say = (key: Notice, values?: Readonly<Record<string, string | number>>) => string;

const LONG = 300; // characters of a message that are shown

/** noteOf never fails: each push shows something, for a browser takes the permission from those that do not. */
export function noteOf(push: Push | undefined, known: Known, say: Say): Note {
  const plain = { title: say('new'), body: say('open'), tag: '', chat: '', count: 0, rings: false, silent: false };
  if (!push) return plain;
  const who = known.name || push.chat;
  const tag = known.discreet ? 'new' : `chat:${push.chat}`;
  switch (push.kind) {
    case 'test': return { ...plain, title: say('test'), body: say('test.text'), tag: 'test' };
    case 'call': return call(plain, push, known, say('call'), say);
    case 'call-end': return { ...call(plain, push, known, say(END[push.reason] ?? 'call.over'), say), rings: false, silent: push.reason !== 'retract' };
    case 'request':
      if (known.discreet || who === '') return { ...plain, title: say('request.discreet'), tag: 'request' };
      return { ...plain, title: who, body: say('request'), tag: `request:${push.chat}` };
    case 'message': {
      const words = push.count > 1 ? say('messages', { n: push.count }) : say('message');
      if (known.discreet || who === '') return { ...plain, title: words, tag, count: push.count };
      const text = push.stanza ? textOf(push.stanza, say) : '';
      const body = text === '' ? words : push.count > 1 ? `${words}\n${text}` : text;
      return { ...plain, title: who, body, tag, chat: push.chat, count: push.count };
    }
    default: return plain;
  }
}

const END: Readonly<Record<string, Notice>> = { retract: 'call.missed', accept: 'call.elsewhere', reject: 'call.elsewhere' };

function call(plain: Note, push: Push, known: Known, words: string, say: Say): Note {
  const tag = `call:${push.call}`;
  const who = known.name || push.chat;
  if (known.discreet || who === '') return { ...plain, title: push.kind === 'call' ? say('call.discreet') : words, tag, rings: true };
  return { ...plain, title: who, body: words, tag, chat: push.chat, rings: true };
}

function textOf(message: Element, say: Say): string {
  if (isEncrypted(message)) return say('encrypted');
  const { file } = fileOf(message);
  if (file) {
    const kind = kindOf(file.type);
    return kind === 'file' ? say('file', { name: file.name }) : say(kind);
  }
  const body = (childText(message, message.ns, 'body') ?? '').trim();
  const all = [...body];
  return all.length > LONG ? `${all.slice(0, LONG).join('')}…` : body;
}
