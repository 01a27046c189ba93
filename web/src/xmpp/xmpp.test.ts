// SPDX-License-Identifier: Apache-2.0

import { describe, expect, it } from 'vitest';
import { child } from '../xml/element';
import { parse } from '../xml/parse';
import { serialize } from '../xml/serialize';
import { answer } from './answers';
import { ver } from './disco';
import { read as readInvite } from './invite';
import { address, bare, domain, local, resource } from './jid';
import { chat, read } from './message';
import { kind, note, read as readPresence } from './presence';
import { read as readRoster } from './roster';

const OWN = 'juliet@kith.example';
const message = (inner: string, attrs = 'type="chat" from="romeo@kith.example/phone" id="1"'): ReturnType<typeof read> =>
  read(parse(`<message xmlns="jabber:client" ${attrs}>${inner}</message>`), OWN);

describe('jid', () => {
  it.each([
    ['romeo', 'romeo@kith.example'],
    [' Romeo@Kith.Example ', 'romeo@kith.example'],
    ['xmpp:romeo@kith.example?message', 'romeo@kith.example'],
    ['jürgen@bücher.example', 'jürgen@bücher.example'],
    ['a@[::1]', 'a@[::1]'],
    ['', ''],
    ['a b@kith.example', ''],
    ['a@b@c', ''],
    ['@kith.example', ''],
    ['a@-kith.example', ''],
    ['a@kith..example', ''],
    ['<a>@kith.example', ''],
  ])('reads %j as %j', (typed, want) => {
    expect(address(typed, 'kith.example')).toBe(want);
  });

  it('takes addresses apart at the first marks', () => {
    const j = 'romeo@kith.example/a@b/c';
    expect([local(j), domain(j), bare(j), resource(j)]).toEqual(['romeo', 'kith.example', 'romeo@kith.example', 'a@b/c']);
    expect([local('kith.example'), domain('kith.example')]).toEqual(['', 'kith.example']);
  });
});

describe('message', () => {
  it('has text, ids, and asks for a receipt', () => {
    const m = message('<body>Hi</body><origin-id xmlns="urn:xmpp:sid:0" id="o"/><stanza-id xmlns="urn:xmpp:sid:0" id="s" by="juliet@kith.example"/><request xmlns="urn:xmpp:receipts"/><active xmlns="http://jabber.org/protocol/chatstates"/>');
    expect(m).toEqual({ from: 'romeo@kith.example/phone', to: OWN, type: 'chat', id: '1', originId: 'o', stanzaId: 's', body: 'Hi', encrypted: false, stamp: undefined, wantsReceipt: true, receiptFor: '', state: 'active' });
  });

  it('believes ids and stamps of our own server only', () => {
    const m = message('<stanza-id xmlns="urn:xmpp:sid:0" id="s" by="mallory@kith.example"/><delay xmlns="urn:xmpp:delay" stamp="2001-01-01T00:00:00Z" from="evil.example"/><delay xmlns="urn:xmpp:delay" stamp="2002-01-01T00:00:00Z" from="kith.example"/>');
    expect(m.stanzaId).toBe('');
    expect(m.stamp).toBe(Date.parse('2002-01-01T00:00:00Z'));
  });

  it.each([
    ['OMEMO', '<body>I sent you…</body><encrypted xmlns="eu.siacs.conversations.axolotl"><header/><payload>x</payload></encrypted>'],
    ['OMEMO 2', '<encrypted xmlns="urn:xmpp:omemo:2"><payload>x</payload></encrypted>'],
    ['what is tagged', '<body>secret</body><encryption xmlns="urn:xmpp:eme:0" namespace="urn:xmpp:openpgp:0"/>'],
  ])('does not take the fallback of %s for the text', (_what, inner) => {
    expect(message(inner)).toMatchObject({ encrypted: true, body: '' });
  });

  it('does not show a message that only keeps keys fresh', () => {
    expect(message('<encrypted xmlns="eu.siacs.conversations.axolotl"><header/></encrypted>')).toMatchObject({ encrypted: false, body: undefined });
  });

  it('is written with an id that stays', () => {
    expect(serialize(chat('romeo@kith.example', 'k', 'a<b', true), 'jabber:client')).toBe(
      '<message type="chat" to="romeo@kith.example" id="k"><body>a&lt;b</body><origin-id xmlns="urn:xmpp:sid:0" id="k"/><request xmlns="urn:xmpp:receipts"/><active xmlns="http://jabber.org/protocol/chatstates"/></message>',
    );
  });
});

describe('presence', () => {
  it('is read with what they wrote', () => {
    const el = parse('<presence xmlns="jabber:client" from="romeo@kith.example/a"><show>dnd</show><status>busy</status><priority>5</priority></presence>');
    expect(readPresence(el)).toEqual({ from: 'romeo@kith.example/a', show: 'busy', status: 'busy', priority: 5 });
  });

  it('may be a request with a name', () => {
    const el = parse('<presence xmlns="jabber:client" type="subscribe" from="romeo@kith.example"><nick xmlns="http://jabber.org/protocol/nick">Romeo</nick></presence>');
    expect([kind(el), note(el)]).toEqual(['subscribe', 'Romeo']);
  });
});

describe('roster', () => {
  it('is read with its version', () => {
    const el = parse('<iq xmlns="jabber:client" type="result"><query xmlns="jabber:iq:roster" ver="7"><item jid="a@b" name="A" subscription="from" ask="subscribe"><group>G</group></item></query></iq>');
    expect(readRoster(el)).toEqual({ ver: '7', items: [{ address: 'a@b', name: 'A', subscription: 'from', asked: true, groups: ['G'] }] });
    expect(readRoster(parse('<iq xmlns="jabber:client" type="result"/>'))).toBeUndefined();
  });
});

describe('disco', () => {
  it('hashes as the example of XEP-0115 §5.2', async () => {
    const features = ['http://jabber.org/protocol/muc', 'http://jabber.org/protocol/disco#items', 'http://jabber.org/protocol/disco#info', 'http://jabber.org/protocol/caps'];
    expect(await ver({ category: 'client', type: 'pc', name: 'Exodus 0.9.1', features })).toBe('QgayPKawpkPSDYmwT/WM94uAlu0=');
  });
});

describe('answers', () => {
  const self = { version: '1.2', now: () => Date.parse('2030-01-02T03:04:05.678Z') };
  const ask = (inner: string, type = 'get'): string => serialize(answer(parse(`<iq xmlns="jabber:client" type="${type}" id="q" from="a@b/c">${inner}</iq>`), self), 'jabber:client');

  it('tells what others may know', () => {
    expect(ask('<ping xmlns="urn:xmpp:ping"/>')).toBe('<iq type="result" id="q" to="a@b/c"/>');
    expect(ask('<query xmlns="jabber:iq:version"/>')).toContain('<name>Kith</name><version>1.2</version>');
    expect(ask('<query xmlns="http://jabber.org/protocol/disco#info" node="n"/>')).toContain('node="n"><identity category="client"');
    expect(ask('<time xmlns="urn:xmpp:time"/>')).toContain('<utc>2030-01-02T03:04:05Z</utc>');
  });

  it('refuses the rest', () => {
    for (const r of [ask('<x xmlns="y"/>'), ask(''), ask('<ping xmlns="urn:xmpp:ping"/>', 'set')]) expect(r).toContain('service-unavailable');
  });
});

describe('invite', () => {
  it('finds the links in the form', () => {
    const form = '<field var="uri"><value>xmpp:a</value></field><field var="landing-url"><value>https://a/invite/T</value></field><field var="expire"><value>2030-01-02T03:04:05Z</value></field>';
    const iq = parse(`<iq xmlns="jabber:client" type="result"><command xmlns="http://jabber.org/protocol/commands" status="completed"><x xmlns="jabber:x:data" type="result">${form}</x></command></iq>`);
    expect(readInvite(iq)).toEqual({ uri: 'xmpp:a', landing: 'https://a/invite/T', expires: Date.parse('2030-01-02T03:04:05Z') });
    expect(child(iq, 'x', 'y')).toBeUndefined();
  });
});
