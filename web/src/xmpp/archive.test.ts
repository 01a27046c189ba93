// SPDX-License-Identifier: Apache-2.0

import { describe, expect, it } from 'vitest';
import { attr, childText, elements, type Element } from '../xml/element';
import { parse } from '../xml/parse';
import { serialize } from '../xml/serialize';
import { copyIn } from './carbons';
import { clientState } from './csi';
import { featuresOf } from './disco';
import { finOf, query, resultOf } from './mam';
import * as mds from './mds';
import { eventOf, readItems } from './pep';

const OWN = 'juliet@capulet.lit';

/** An example of a document, without the blanks between its elements. */
function example(xml: string): Element {
  return parse(xml.replace(/>\s+</g, '><').replace(/^<(\w+)/, '<$1 xmlns="jabber:client"'));
}

describe('a page of the archive', () => {
  it('is asked for by its place, and what it may hold', () => {
    const set = (inner: string): string => `<set xmlns="http://jabber.org/protocol/rsm"><max>10</max>${inner}</set>`;
    expect(serialize(query('q', { max: 10, after: '09af3-cc343-b409f' }))).toBe(`<query xmlns="urn:xmpp:mam:2" queryid="q">${set('<after>09af3-cc343-b409f</after>')}</query>`);
    expect(serialize(query('q', { max: 10, after: '' }))).toContain(set(''));
    expect(serialize(query('q', { max: 10, before: '' }))).toContain(set('<before/>'));
    const form = '<x xmlns="jabber:x:data" type="submit"><field var="FORM_TYPE" type="hidden"><value>urn:xmpp:mam:2</value></field><field var="with"><value>romeo@montague.lit</value></field><field var="after-id"><value>a</value></field></x>';
    expect(serialize(query('q', { max: 10, before: 'b', with: 'romeo@montague.lit', afterId: 'a' }))).toContain(form + set('<before>b</before>'));
  });

  it('has results of our own account, for this query (XEP-0313 §4, example 3)', () => {
    const result = `<message id='aeb213' to='juliet@capulet.lit/chamber'>
      <result xmlns='urn:xmpp:mam:2' queryid='f27' id='28482-98726-73623'>
        <forwarded xmlns='urn:xmpp:forward:0'>
          <delay xmlns='urn:xmpp:delay' stamp='2010-07-10T23:08:25Z'/>
          <message xmlns='jabber:client' from="witch@shakespeare.lit" to="macbeth@shakespeare.lit">
            <body>Hail to thee</body>
          </message>
        </forwarded>
      </result>
    </message>`;
    const got = resultOf(example(result), OWN, 'f27');
    expect(got).toMatchObject({ id: '28482-98726-73623', time: Date.parse('2010-07-10T23:08:25Z') });
    expect(got && childText(got.message, 'jabber:client', 'body')).toBe('Hail to thee');
    expect(resultOf(example(result), OWN, 'f28')).toBeUndefined();
    expect(resultOf(example(result.replace('<message id', "<message from='mallory@example.org' id")), OWN, 'f27')).toBeUndefined();
  });

  it('ends with how much there is (XEP-0313 §4.3.2, example 22)', () => {
    const fin = `<iq type='result' id='u29303'><fin xmlns='urn:xmpp:mam:2' complete='true'>
      <set xmlns='http://jabber.org/protocol/rsm'><first index='0'>23452-4534-1</first><last>390-2342-22</last><count>16</count></set>
    </fin></iq>`;
    expect(finOf(example(fin))).toEqual({ complete: true, first: '23452-4534-1', last: '390-2342-22', index: 0, count: 16 });
    expect(finOf(example(`<iq type='result'><fin xmlns='urn:xmpp:mam:2'/></iq>`))).toEqual({ complete: false, first: '', last: '' });
    expect(finOf(example(`<iq type='result'/>`))).toBeUndefined();
  });
});

describe('a copy', () => {
  const copy = (from: string): Element =>
    example(`<message from='${from}' to='juliet@capulet.lit/home' type='chat'>
      <received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>
        <message xmlns='jabber:client' from='romeo@montague.lit/orchard' to='juliet@capulet.lit/balcony' type='chat'><body>What man art thou?</body></message>
      </forwarded></received>
    </message>`);

  it('counts from our own account only (XEP-0280 §11)', () => {
    const got = copyIn(copy(OWN), OWN);
    expect(got?.sent).toBe(false);
    expect(got && attr(got.message, 'from')).toBe('romeo@montague.lit/orchard');
    expect(copyIn(copy('tybalt@capulet.lit/home'), OWN)).toBeUndefined();
    expect(copyIn(copy(`${OWN}/balcony`), OWN)).toBeUndefined();
    expect(copyIn(example('<message><body>none</body></message>'), OWN)).toBeUndefined();
  });
});

describe('what was read', () => {
  it('is published as XEP-0490 §4.2, example 1, has it', () => {
    const want = `<pubsub xmlns='http://jabber.org/protocol/pubsub'>
        <publish node='urn:xmpp:mds:displayed:0'>
          <item id='romeo@montegue.lit'>
            <displayed xmlns='urn:xmpp:mds:displayed:0'>
              <stanza-id xmlns='urn:xmpp:sid:0' by='juliet@capulet.lit' id='0f710f2b-52ed-4d52-b928-784dad74a52b'/>
            </displayed>
          </item>
        </publish>
        <publish-options>
          <x xmlns='jabber:x:data' type='submit'>
            <field var='FORM_TYPE' type='hidden'><value>http://jabber.org/protocol/pubsub#publish-options</value></field>
            <field var='pubsub#persist_items'><value>true</value></field>
            <field var='pubsub#max_items'><value>max</value></field>
            <field var='pubsub#send_last_published_item'><value>never</value></field>
            <field var='pubsub#access_model'><value>whitelist</value></field>
          </x>
        </publish-options>
      </pubsub>`;
    const got = mds.publish('romeo@montegue.lit', OWN, '0f710f2b-52ed-4d52-b928-784dad74a52b');
    expect(parse(serialize(got))).toEqual(parse(want.replace(/>\s+</g, '><')));
  });

  it('is asked for and read as examples 3 and 4 have it', () => {
    expect(serialize(mds.all())).toBe('<pubsub xmlns="http://jabber.org/protocol/pubsub"><items node="urn:xmpp:mds:displayed:0"/></pubsub>');
    const answer = example(`<iq type='result' to='juliet@capulet.lit/balcony' id='catchup-1'>
      <pubsub xmlns='http://jabber.org/protocol/pubsub'>
        <items node='urn:xmpp:mds:displayed:0'>
          <item id='romeo@montegue.lit'>
            <displayed xmlns='urn:xmpp:mds:displayed:0'>
              <stanza-id xmlns='urn:xmpp:sid:0' id='0f710f2b-52ed-4d52-b928-784dad74a52b' by='juliet@capulet.lit'/>
            </displayed>
          </item>
          <item id='example@conference.shakespeare.lit'>
            <displayed xmlns='urn:xmpp:mds:displayed:0'>
              <stanza-id xmlns='urn:xmpp:sid:0' id='ca21deaf-812c-48f1-8f16-339a674f2864' by='example@conference.shakespeare.lit'/>
            </displayed>
          </item>
        </items>
      </pubsub>
    </iq>`);
    // A room's own ids mean nothing before there are rooms.
    expect([...mds.markers(readItems(answer), OWN)]).toEqual([['romeo@montegue.lit', '0f710f2b-52ed-4d52-b928-784dad74a52b']]);
  });

  it('comes from other devices as example 10 has it', () => {
    const event = example(`<message from='juliet@capulet.lit' to='juliet@capulet.lit/balcony' type='headline' id='new-displayed-pep-event'>
      <event xmlns='http://jabber.org/protocol/pubsub#event'>
        <items node='urn:xmpp:mds:displayed:0'>
          <item id='romeo@montegue.lit'>
            <displayed xmlns='urn:xmpp:mds:displayed:0'>
              <stanza-id xmlns='urn:xmpp:sid:0' by='juliet@capulet.lit' id='0423e3a9-d516-493d-bb06-bee0e51ab9fb'/>
            </displayed>
          </item>
        </items>
      </event>
    </message>`);
    expect([...mds.markers(eventOf(event)?.items ?? [], OWN)]).toEqual([['romeo@montegue.lit', '0423e3a9-d516-493d-bb06-bee0e51ab9fb']]);
  });
});

describe('what the server can do', () => {
  it('stands in its features', () => {
    const info = example(`<iq type='result'><query xmlns='http://jabber.org/protocol/disco#info'><feature var='urn:xmpp:mam:2'/></query></iq>`);
    expect([...featuresOf(info)]).toEqual(['urn:xmpp:mam:2']);
    expect(elements(clientState(true))).toEqual([]);
    expect(clientState(false)).toMatchObject({ ns: 'urn:xmpp:csi:0', name: 'inactive' });
  });
});
