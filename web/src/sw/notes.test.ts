// SPDX-License-Identifier: Apache-2.0

import { describe, expect, it } from 'vitest';
import { speaker } from '../i18n/notices';
import { parse } from '../xml/parse';
import { read } from '../xmpp/push';
import { type Known, noteOf } from './notes';

const say = speaker(['en']);
const ANN: Known = { name: 'Ann', discreet: false };

const push = (attrs: string, inside = ''): ReturnType<typeof read> => read(parse(`<push xmlns="https://kith.im/ns/webpush/0" account="me@kith.example" ${attrs}>${inside}</push>`));
const message = (inside: string): string => `<message xmlns="jabber:client" type="chat" from="ann@kith.example/x">${inside}</message>`;
const CHAT = 'chat="ann@kith.example"';

describe('a push becomes a note', () => {
  it.each<[string, ReturnType<typeof read>, Known, Partial<ReturnType<typeof noteOf>>]>([
    ['of a message', push(`kind="message" ${CHAT}`, message('<body> Hello </body>')), ANN, { title: 'Ann', body: 'Hello', tag: 'chat:ann@kith.example', chat: 'ann@kith.example', count: 1, rings: false }],
    ['of several', push(`kind="message" ${CHAT} count="3"`, message('<body>Hello?</body>')), ANN, { title: 'Ann', body: '3 new messages\nHello?', count: 3 }],
    ['of a stranger', push(`kind="message" ${CHAT}`, message('<body>Hi</body>')), { name: '', discreet: false }, { title: 'ann@kith.example', body: 'Hi' }],
    ['without the text', push(`kind="message" ${CHAT} cut="message"`, message('')), ANN, { title: 'Ann', body: 'New message' }],
    ['of which all was cut', push('kind="message" cut="all"'), ANN, { title: 'Ann', body: 'New message' }],
    ['of nobody that is known', push('kind="message" cut="all"'), { name: '', discreet: false }, { title: 'New message', body: 'Open Kith to see it.' }],
    ['of an encrypted one', push(`kind="message" ${CHAT}`, message('<body>no</body><encryption xmlns="urn:xmpp:eme:0" namespace="eu.siacs.conversations.axolotl"/>')), ANN, { body: 'Encrypted message' }],
    ['of a picture', push(`kind="message" ${CHAT}`, message('<body>https://x.example/a.jpg</body><x xmlns="jabber:x:oob"><url>https://x.example/a.jpg</url></x>')), ANN, { body: 'Picture' }],
    ['of a file', push(`kind="message" ${CHAT}`, message('<body>https://x.example/a%20b.zip</body><x xmlns="jabber:x:oob"><url>https://x.example/a%20b.zip</url></x>')), ANN, { body: 'File: a b.zip' }],
    ['of a call', push(`kind="call" ${CHAT} call="c1"`), ANN, { title: 'Ann', body: 'is calling you', tag: 'call:c1', rings: true, silent: false }],
    ['of a call that was missed', push(`kind="call-end" ${CHAT} call="c1" reason="retract"`), ANN, { title: 'Ann', body: 'Missed call', tag: 'call:c1', rings: false, silent: false }],
    ['of a call taken elsewhere', push(`kind="call-end" ${CHAT} call="c1" reason="accept"`), ANN, { body: 'Answered on another device', tag: 'call:c1', rings: false, silent: true }],
    ['of somebody who asks', push(`kind="request" ${CHAT}`), { name: '', discreet: false }, { title: 'ann@kith.example', body: 'would like to write with you', tag: 'request:ann@kith.example', chat: '' }],
    ['of a test', push('kind="test"'), { name: '', discreet: true }, { title: 'Notifications work' }],
    ['of what a newer server knows', push(`kind="poll" ${CHAT}`), ANN, { title: 'Something new in Kith' }],
    ['of what nobody understands', undefined, ANN, { title: 'Something new in Kith' }],
  ])('%s', (_what, of, known, want) => {
    expect(noteOf(of, known, say)).toMatchObject(want);
  });

  it('that says neither who nor what, where it shall not', () => {
    const known = { name: 'Ann', discreet: true };
    for (const of of [push(`kind="message" ${CHAT} count="2"`, message('<body>secret</body>')), push(`kind="call" ${CHAT} call="c1"`), push(`kind="call-end" ${CHAT} call="c1" reason="retract"`), push(`kind="request" ${CHAT}`)]) {
      const { title, body, tag, chat } = noteOf(of, known, say);
      expect(`${title} ${body} ${tag} ${chat}`).not.toMatch(/ann|secret/i);
    }
  });

  it('of a long message without its end', () => {
    expect(noteOf(push(`kind="message" ${CHAT}`, message(`<body>${'😀'.repeat(400)}</body>`)), ANN, say).body).toBe(`${'😀'.repeat(300)}…`);
  });
});
