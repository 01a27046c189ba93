// SPDX-License-Identifier: Apache-2.0

// Names, pictures, blocking, devices, files and pushes on the wire.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { childText, type Element } from '../xml/element';
import { parse } from '../xml/parse';
import { serialize } from '../xml/serialize';
import * as avatar from './avatar';
import * as blocking from './blocking';
import * as clients from './clients';
import { readNick } from './nick';
import { fileMessage, fileName, fileOf, kindOf } from './oob';
import * as pep from './pep';
import * as push from './push';
import * as upload from './upload';

const iq = (inside: string): Element => parse(`<iq xmlns="jabber:client" type="result" id="1">${inside}</iq>`);
const message = (inside: string): Element => parse(`<message xmlns="jabber:client">${inside}</message>`);
const again = (el: Element): Element => parse(serialize(el));

describe('XEP-0163', () => {
  it('reads what a node tells', () => {
    const event = pep.eventOf(message('<event xmlns="http://jabber.org/protocol/pubsub#event"><items node="n"><item id="1"><a xmlns="x"/></item><retract id="0"/></items></event>'));
    expect(event).toMatchObject({ node: 'n', items: [{ id: '1', payload: { name: 'a' } }], retracted: ['0'] });
    expect(pep.eventOf(message('<body>no</body>'))).toBeUndefined();
    expect(pep.eventOf(message('<event xmlns="http://jabber.org/protocol/pubsub#event"><purge node="n"/></event>'))).toBeUndefined();
  });
});

describe('XEP-0084', () => {
  const id = 'A'.repeat(40);

  it('takes the picture that is kept with the account, whatever is said of others', () => {
    const el = parse(`<metadata xmlns="urn:xmpp:avatar:metadata"><info id="${id}" type="image/gif" bytes="1" url="http://evil.example/"/><info id="${id}" type="image/png" bytes="12" width="3"/></metadata>`);
    expect(avatar.readMetadata(el)).toEqual({ id: id.toLowerCase(), type: 'image/png', bytes: 12, width: 3, height: 0 });
  });

  it.each(['<metadata xmlns="urn:xmpp:avatar:metadata"/>', '<metadata xmlns="urn:xmpp:avatar:metadata"><info id="../x" type="image/png"/></metadata>', '<info xmlns="x"/>'])('finds none in %s', (xml) => {
    expect(avatar.readMetadata(parse(xml))).toBeUndefined();
  });

  it('shows nothing that a browser would run', () => {
    expect(avatar.readMetadata(parse(`<metadata xmlns="urn:xmpp:avatar:metadata"><info id="${id}" type="image/svg+xml" bytes="1"/></metadata>`))?.type).toBe('image/png');
  });

  it('writes what it reads', () => {
    fc.assert(fc.property(fc.nat(), fc.nat({ max: 4096 }), fc.constantFrom('image/png', 'image/jpeg'), (bytes, side, type) => {
      const info = { id: 'a'.repeat(40), type, bytes: bytes % 1_000_000_000, width: side, height: side };
      expect(avatar.readMetadata(again(avatar.metadata(info)))).toEqual(info);
    }));
    expect(avatar.readData(again(avatar.data('AB\n CD')))).toBe('ABCD');
  });
});

describe('XEP-0172', () => {
  it.each([['  Ann \n B', 'Ann B'], ['\u202Egpj.exe', 'gpj.exe'], ['', ''], ['x'.repeat(200), 'x'.repeat(100)]])('%j', (typed, want) => {
    expect(readNick({ ns: 'http://jabber.org/protocol/nick', name: 'nick', attrs: {}, children: [typed] })).toBe(want);
  });
});

describe('XEP-0191', () => {
  it('reads lists and changes', () => {
    expect(blocking.readList(iq('<blocklist xmlns="urn:xmpp:blocking"><item jid="a@x"/><item/></blocklist>'))).toEqual(['a@x']);
    expect(blocking.readList(iq(''))).toBeUndefined();
    expect(blocking.pushed(iq('<unblock xmlns="urn:xmpp:blocking"/>'))).toEqual({ kind: 'unblock', addresses: [] });
  });

  it('reports within the item that is blocked (XEP-0377)', () => {
    expect(serialize(blocking.block('a@x', { reason: 'spam', ids: ['1'], by: 'me@x' }))).toBe(
      '<block xmlns="urn:xmpp:blocking"><item jid="a@x"><report xmlns="urn:xmpp:reporting:1" reason="urn:xmpp:reporting:spam"><stanza-id xmlns="urn:xmpp:sid:0" by="me@x" id="1"/></report></item></block>',
    );
  });
});

describe('XEP-0494', () => {
  it('reads what little is said of a client', () => {
    const [one, two, ...more] = clients.readList(iq('<clients xmlns="urn:xmpp:cam:0"><client id="a" connected="true"><last-seen>2026-01-02T03:04:05Z</last-seen><auth><password/></auth><user-agent><device>Desk</device></user-agent></client><client id="b"/><client/></clients>'));
    expect(one).toEqual({ id: 'a', here: false, connected: true, firstSeen: 0, lastSeen: Date.UTC(2026, 0, 2, 3, 4, 5), software: '', device: 'Desk', network: '', password: true });
    expect(two).toMatchObject({ id: 'b', connected: false, lastSeen: 0, password: false });
    expect(more).toEqual([]);
  });
});

describe('XEP-0363', () => {
  it('takes only the headers that are allowed, and no new lines', () => {
    const slot = upload.readSlot(iq('<slot xmlns="urn:xmpp:http:upload:0"><put url="https://x.example/p"><header name="authorization">a&#10;b</header><header name="Host">evil</header></put><get url="https://x.example/g"/></slot>'));
    expect(slot).toEqual({ put: 'https://x.example/p', get: 'https://x.example/g', headers: [['authorization', 'ab']] });
    expect(upload.readSlot(iq('<slot xmlns="urn:xmpp:http:upload:0"><put url="javascript:x"/><get url="https://x.example/g"/></slot>'))).toBeUndefined();
  });

  it('says why there is no place', () => {
    const error = (inside: string): Element => iq(`<error type="modify">${inside}</error>`);
    expect(upload.refusal(error('<file-too-large xmlns="urn:xmpp:http:upload:0"><max-file-size>20000</max-file-size></file-too-large>'))).toEqual({ max: 20_000 });
    expect(upload.refusal(error('<retry xmlns="urn:xmpp:http:upload:0" stamp="2017-12-03T23:42:05Z"/>'))).toEqual({ retry: Date.UTC(2017, 11, 3, 23, 42, 5) });
    expect(upload.refusal(error(''))).toBeUndefined();
  });
});

describe('a file', () => {
  const file = { url: 'https://x.example/f/a.jpg', name: 'a.jpg', type: 'image/jpeg', size: 10, width: 3, height: 4 };

  it('is read as it was written', () => {
    expect(fileOf(again(fileMessage('a@x', '1', file, true)))).toEqual({ file });
    fc.assert(fc.property(fc.webUrl(), fc.nat(), fc.nat(), (url, size, width) => {
      const one = { url, name: 'x.bin', type: '', size, width, height: width };
      expect(fileOf(again(fileMessage('a@x', '1', one, false)))).toEqual({ file: one });
    }));
  });

  it('of another app has a name, and what that tells', () => {
    const body = (url: string): Element => message(`<body>${url}</body><x xmlns="jabber:x:oob"><url>${url}</url></x>`);
    expect(fileOf(body('https://x.example/f/tr%C3%A8s%20cool.JPG')).file).toMatchObject({ name: 'très cool.JPG', type: 'image/jpeg', size: 0, width: 0 });
    expect(fileOf(body('https://x.example/')).file).toMatchObject({ name: 'x.example', type: '' });
    expect(fileOf(body('https://x.example/%E0%A4')).file).toMatchObject({ name: '%E0%A4' });
  });

  it.each([
    ['a link in a text', '<body>see https://x.example/a</body><x xmlns="jabber:x:oob"><url>https://x.example/a</url></x>'],
    ['a link without a word that it is a file', '<body>https://x.example/a</body>'],
    ['another scheme', '<body>javascript:a</body><x xmlns="jabber:x:oob"><url>javascript:a</url></x>'],
  ])('is not %s', (_what, inside) => expect(fileOf(message(inside))).toEqual({}));

  it('has a name that hides nothing', () => {
    expect(fileName('../../etc/\u202Etxt.exe')).toBe('.._.._etc_ txt.exe');
    expect(fileName('a\nb')).toBe('a b');
    expect(kindOf('image/svg+xml')).toBe('file');
    expect(kindOf('text/html')).toBe('file');
  });
});

describe('pushes', () => {
  it('are read, whatever they are', () => {
    const p = push.read(parse('<push xmlns="https://kith.im/ns/webpush/0" kind="message" account="a@x" chat="b@x" count="x" stamp="2026-11-22T20:13:02.120Z"><message xmlns="jabber:client"><body>Hi</body></message></push>'));
    expect(p).toMatchObject({ kind: 'message', account: 'a@x', chat: 'b@x', count: 1, stamp: Date.UTC(2026, 10, 22, 20, 13, 2, 120), call: '' });
    expect(p?.stanza && childText(p.stanza, 'jabber:client', 'body')).toBe('Hi');
    expect(push.read(parse('<push xmlns="other"/>'))).toBeUndefined();
  });

  it('are registered with what the browser gave', () => {
    expect(push.readRegistrations(iq('<registrations xmlns="https://kith.im/ns/webpush/0"/>'))).toBeUndefined();
    const all = push.readRegistrations(iq('<registrations xmlns="https://kith.im/ns/webpush/0" vapid="K"><registration id="3" kind="web" this="true" service="s" failed="2026-11-22T20:13:02Z" failures="3" error="busy"/></registrations>'));
    expect(all).toEqual({ key: 'K', all: [{ id: '3', web: true, here: true, client: '', service: 's', since: 0, sent: 0, failed: Date.UTC(2026, 10, 22, 20, 13, 2), failures: 3, error: 'busy' }] });
  });
});
