// SPDX-License-Identifier: Apache-2.0

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { attr, child, childText, type Element, text, x } from './element';
import { valid } from './escape';
import { LIMITS, parse, XmlError } from './parse';
import { serialize } from './serialize';

const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_.-]{0,8}$/).filter((n) => n !== 'xmlns' && n !== '__proto__');
const ns = fc.constantFrom('', 'jabber:client', 'urn:a', 'urn:b&"<\'>');
const any = fc.string({ unit: 'binary' });

// Adjacent and empty texts do not survive printing, so trees are made without them.
const tree = fc.letrec<{ el: Element; kids: Element['children'] }>((tie) => ({
  el: fc.record({
    ns,
    name,
    attrs: fc.dictionary(fc.oneof(name, name.map((n) => `{urn:attr}${n}`), fc.constant('xml:lang')), any, { maxKeys: 4 }),
    children: tie('kids'),
  }),
  kids: fc.array(fc.oneof({ depthSize: 'small' }, any.filter((s) => s !== ''), tie('el')), { maxLength: 4 })
    .map((list) => list.filter((c, i) => typeof c !== 'string' || typeof list[i - 1] !== 'string')),
})).el;

function normal(el: Element): Element {
  return {
    ns: el.ns,
    name: el.name,
    attrs: Object.fromEntries(Object.entries(el.attrs).map(([k, v]) => [k, valid(v)])),
    children: el.children.map((c) => (typeof c === 'string' ? valid(c) : normal(c))),
  };
}

describe('xml', () => {
  it('reads back what it writes', () => {
    fc.assert(fc.property(tree, (el) => {
      expect(normal(parse(serialize(el)))).toEqual(normal(el));
    }));
  });

  it('answers anything with an element or an XmlError', () => {
    const noise = fc.array(fc.oneof(any, fc.constantFrom('<', '>', '/', '</a>', '<a', '<a>', '&', '&lt;', '&#', ';', '"', "'", '=', 'xmlns', ':', '<![CDATA[', ']]>', ' ', '<!--', '<?'))).map((a) => a.join(''));
    fc.assert(fc.property(fc.oneof(noise, noise.map((s) => `<a>${s}</a>`), noise.map((s) => `<a ${s}/>`)), (doc) => {
      let el: Element;
      try {
        el = parse(doc);
      } catch (e) {
        expect(e).toBeInstanceOf(XmlError);
        return;
      }
      expect(parse(serialize(el))).toEqual(el);
    }), { numRuns: 2000 });
  });

  it.each([
    ['a namespace by prefix', '<s:a xmlns:s="urn:s" s:k="v"><s:b/><c xmlns="urn:c"/></s:a>', '<a xmlns="urn:s" xmlns:a0="urn:s" a0:k="v"><b/><c xmlns="urn:c"/></a>'],
    ['white space in tags', "<a \n k = 'v' ></a >", '<a k="v"/>'],
    ['an XML declaration', '<?xml version="1.0"?><a/>', '<a/>'],
    ['references', '<a>&lt;&#65;&#x1F600;&amp;</a>', '<a>&lt;A😀&amp;</a>'],
    ['CDATA', '<a>x<![CDATA[<&]]>y</a>', '<a>x&lt;&amp;y</a>'],
    ['line ends', '<a k="1\n2">a\r\nb\rc</a>', '<a k="1 2">a\nb\nc</a>'],
    ['xml:lang', '<a xml:lang="en"/>', '<a xml:lang="en"/>'],
  ])('accepts %s', (_what, doc, want) => {
    expect(serialize(parse(doc))).toBe(want);
  });

  it.each([
    ['nothing', ''],
    ['text only', 'hello'],
    ['an open element', '<a>'],
    ['crossed tags', '<a><b></a></b>'],
    ['an end tag that goes on', '<a></ab>'],
    ['two roots', '<a/><b/>'],
    ['a comment', '<a><!-- --></a>'],
    ['a processing instruction', '<a><?x?></a>'],
    ['a document type', '<!DOCTYPE a><a/>'],
    ['an unknown entity', '<a>&nbsp;</a>'],
    ['a bare ampersand', '<a>a & b</a>'],
    ['a forbidden character', '<a>\u0001</a>'],
    ['a forbidden character by number', '<a>&#1;</a>'],
    ['a number out of range', '<a>&#x110000;</a>'],
    ['half a surrogate pair', '<a>\uD800</a>'],
    ['an unbound prefix', '<p:a/>'],
    ['an attribute with an unbound prefix', '<a p:k="v"/>'],
    ['an attribute twice', '<a k="1" k="2"/>'],
    ['an attribute twice by two prefixes', '<a xmlns:p="u" xmlns:q="u" p:k="1" q:k="2"/>'],
    ['no quotes', '<a k=v/>'],
    ['no space between attributes', '<a k="1"l="2"/>'],
    ['< in a value', '<a k="<"/>'],
    [']]> in text', '<a>]]></a>'],
    ['the xmlns prefix', '<xmlns:a/>'],
    ['xml bound anew', '<a xmlns:xml="urn:x"/>'],
    ['two colons', '<a:b:c xmlns:a="u"/>'],
    ['too deep', `${'<a>'.repeat(65)}${'</a>'.repeat(65)}`],
    ['too many attributes', `<a ${Array.from({ length: 65 }, (_, i) => `k${i}="v"`).join(' ')}/>`],
  ])('refuses %s', (_what, doc) => {
    expect(() => parse(doc)).toThrow(XmlError);
  });

  it('keeps to its limits', () => {
    expect(() => parse('<a><b/><b/></a>', { ...LIMITS, nodes: 2 })).toThrow(/too many nodes/);
    expect(() => parse('<aaaaaa/>', { ...LIMITS, length: 8 })).toThrow(/too long/);
  });

  it('has no names of its own in attributes', () => {
    const el = parse('<a __proto__="p"/>');
    expect(attr(el, '__proto__')).toBe('p');
    expect(attr(el, 'constructor')).toBe('');
    expect(attr(x('', 'a'), 'toString')).toBe('');
  });

  it('finds children by namespace and name', () => {
    const el = parse('<m xmlns="jabber:client"><body>a<b xmlns="x">no</b>c</body><body xmlns="other"/></m>');
    expect(childText(el, 'jabber:client', 'body')).toBe('ac');
    expect(child(el, 'nowhere', 'body')).toBeUndefined();
    expect(text(el)).toBe('');
  });
});
