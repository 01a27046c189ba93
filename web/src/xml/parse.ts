// SPDX-License-Identifier: Apache-2.0

// A strict parser for one XML document that also runs where there is no DOMParser (service workers).
// It knows what XMPP knows of XML: no document type, no comments, no processing instructions, no entities
// but the five (RFC 6120 §11.1), namespaces, and limits that keep a hostile document from costing much.
import type { Child, Element } from './element';
import { isValid } from './escape';

export class XmlError extends Error {
  constructor(what: string, readonly at: number) {
    super(`xml: ${what} at ${at}`);
    this.name = 'XmlError';
  }
}

export interface Limits {
  readonly length: number; // characters of the document
  readonly depth: number; // elements inside of each other
  readonly nodes: number; // elements and texts
  readonly attrs: number; // of one element, namespace declarations included
}

/** Generous: our own server is the only sender, and a long contact list comes in one piece. */
export const LIMITS: Limits = { length: 8 << 20, depth: 64, nodes: 200_000, attrs: 64 };

const NS_XML = 'http://www.w3.org/XML/1998/namespace';
const NS_XMLNS = 'http://www.w3.org/2000/xmlns/';

// A name without a colon, and the prefix before it (Namespaces in XML §4).
const START = 'A-Z_a-z\\xC0-\\xD6\\xD8-\\xF6\\xF8-\\u02FF\\u0370-\\u037D\\u037F-\\u1FFF\\u200C\\u200D\\u2070-\\u218F\\u2C00-\\u2FEF\\u3001-\\uD7FF\\uF900-\\uFDCF\\uFDF0-\\uFFFD\\u{10000}-\\u{EFFFF}';
const NAME = `[${START}][${START}\\-.0-9\\xB7\\u0300-\\u036F\\u203F\\u2040]*`;
const QNAME = new RegExp(`(?:(${NAME}):)?(${NAME})`, 'uy');
const SPACE = /[ \t\r\n]*/y;
const REFERENCE = /&(?:(lt|gt|amp|quot|apos)|#([0-9]{1,7})|#x([0-9a-fA-F]{1,6}));|&/g;
const NAMED: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

type Scope = ReadonlyMap<string, string>; // prefix ('' = default) to namespace

interface Open {
  readonly element: { ns: string; name: string; attrs: Record<string, string>; children: Child[] };
  readonly tag: string; // as written, for the end tag
  readonly scope: Scope;
}

/** parse reads one document, or throws an XmlError. */
export function parse(doc: string, limits: Limits = LIMITS): Element {
  return new Parser(doc, limits).read();
}

class Parser {
  private at = 0;
  private nodes = 0;

  constructor(private readonly doc: string, private readonly limits: Limits) {
    if (doc.length > limits.length) this.fail('too long');
    if (!isValid(doc)) this.fail('forbidden character');
  }

  read(): Element {
    if (/^<\?xml[ \t\r\n]/.test(this.doc)) this.skipTo('?>');
    this.space();
    const stack: Open[] = [];
    const first = this.openTag(new Map([['', ''], ['xml', NS_XML]]), stack);
    if (first) return this.end(first); // an empty root
    for (;;) {
      const top = stack[stack.length - 1];
      if (!top) return this.fail('no element');
      this.text(top);
      if (this.doc.startsWith('</', this.at)) {
        this.closeTag(top);
        stack.pop();
        const parent = stack[stack.length - 1];
        if (!parent) return this.end(top.element);
        parent.element.children.push(top.element);
      } else {
        const empty = this.openTag(top.scope, stack);
        if (empty) top.element.children.push(empty);
      }
    }
  }

  private end(root: Element): Element {
    this.space();
    if (this.at !== this.doc.length) this.fail('something after the root');
    return root;
  }

  /** Reads a start tag. An empty element is returned; any other is pushed. */
  private openTag(scope: Scope, stack: Open[]): Element | undefined {
    if (this.doc[this.at] !== '<') this.fail('element expected');
    this.at++;
    this.count();
    if (stack.length >= this.limits.depth) this.fail('too deep');
    const begin = this.at;
    const [prefix, name] = this.qname();
    const tag = this.doc.slice(begin, this.at);
    const { raw, inner } = this.attributes(scope);
    const element: Open['element'] = { ns: this.resolve(inner, prefix), name, attrs: resolveAttrs(raw, inner, this), children: [] };
    if (this.doc.startsWith('/>', this.at)) {
      this.at += 2;
      return element;
    }
    if (this.doc[this.at] !== '>') this.fail('> expected');
    this.at++;
    stack.push({ element, tag, scope: inner });
    return undefined;
  }

  private attributes(scope: Scope): { raw: [string, string, string][]; inner: Scope } {
    const raw: [string, string, string][] = [];
    let inner: Map<string, string> | undefined;
    const declared = new Set<string>();
    for (;;) {
      const gap = this.space();
      const c = this.doc[this.at];
      if (c === undefined || c === '>' || c === '/') break;
      if (!gap) this.fail('space expected');
      const [prefix, name] = this.qname();
      const value = this.value();
      if (raw.length + declared.size >= this.limits.attrs) this.fail('too many attributes');
      if (prefix !== 'xmlns' && (prefix !== '' || name !== 'xmlns')) {
        raw.push([prefix, name, value]);
        continue;
      }
      const bound = prefix === '' ? '' : name;
      if (declared.has(bound)) this.fail('declared twice');
      this.checkBinding(bound, value);
      declared.add(bound);
      inner ??= new Map(scope);
      inner.set(bound, value);
    }
    return { raw, inner: inner ?? scope };
  }

  private checkBinding(prefix: string, ns: string): void {
    if (prefix === 'xmlns' || ns === NS_XMLNS) this.fail('xmlns cannot be bound');
    if ((prefix === 'xml') !== (ns === NS_XML)) this.fail('xml cannot be bound');
    if (prefix !== '' && ns === '') this.fail('a prefix cannot be unbound');
  }

  private value(): string {
    this.space();
    if (this.doc[this.at] !== '=') this.fail('= expected');
    this.at++;
    this.space();
    const quote = this.doc[this.at];
    if (quote !== '"' && quote !== "'") return this.fail('quote expected');
    const end = this.doc.indexOf(quote, this.at + 1);
    if (end < 0) return this.fail('quote not closed');
    const s = this.doc.slice(this.at + 1, end);
    if (s.includes('<')) this.fail('< in a value');
    const value = this.unescape(s.replace(/\r\n|[\r\n\t]/g, ' '));
    this.at = end + 1;
    return value;
  }

  private text(top: Open): void {
    let text = '';
    for (;;) {
      const next = this.doc.indexOf('<', this.at);
      if (next < 0) this.fail('element not closed');
      const s = this.doc.slice(this.at, next);
      if (s.includes(']]>')) this.fail(']]> in text');
      text += this.unescape(s.replace(/\r\n?/g, '\n'));
      this.at = next;
      if (!this.doc.startsWith('<![CDATA[', next)) break;
      this.at += 9;
      const begin = this.at;
      this.skipTo(']]>');
      text += this.doc.slice(begin, this.at - 3).replace(/\r\n?/g, '\n');
    }
    if (text === '') return;
    this.count();
    top.element.children.push(text);
  }

  private closeTag(top: Open): void {
    this.at += 2;
    if (!this.doc.startsWith(top.tag, this.at)) this.fail('wrong end tag');
    this.at += top.tag.length;
    this.space();
    if (this.doc[this.at] !== '>') this.fail('> expected');
    this.at++;
  }

  private qname(): [prefix: string, name: string] {
    QNAME.lastIndex = this.at;
    const m = QNAME.exec(this.doc);
    if (!m?.[2]) return this.fail('name expected');
    this.at = QNAME.lastIndex;
    if (this.doc[this.at] === ':') this.fail('two colons in a name');
    return [m[1] ?? '', m[2]];
  }

  private space(): boolean {
    SPACE.lastIndex = this.at;
    SPACE.test(this.doc);
    const moved = SPACE.lastIndex > this.at;
    this.at = Math.max(this.at, SPACE.lastIndex);
    return moved;
  }

  private skipTo(mark: string): void {
    const end = this.doc.indexOf(mark, this.at);
    if (end < 0) this.fail(`${mark} expected`);
    this.at = end + mark.length;
  }

  private unescape(s: string): string {
    if (!s.includes('&')) return s;
    return s.replace(REFERENCE, (_all, name?: string, dec?: string, hex?: string) => {
      if (name) return NAMED[name] ?? '';
      if (!dec && !hex) return this.fail('unknown reference');
      const code = dec ? Number(dec) : Number.parseInt(hex ?? '', 16);
      if (code > 0x10ffff) return this.fail('unknown character');
      const c = String.fromCodePoint(code);
      if (!isValid(c)) this.fail('forbidden character');
      return c;
    });
  }

  private count(): void {
    if (++this.nodes > this.limits.nodes) this.fail('too many nodes');
  }

  resolve(scope: Scope, prefix: string): string {
    const ns = prefix === 'xmlns' ? undefined : scope.get(prefix);
    return ns ?? this.fail('prefix not bound');
  }

  fail(what: string): never {
    throw new XmlError(what, this.at);
  }
}

function resolveAttrs(raw: readonly [string, string, string][], scope: Scope, p: Parser): Record<string, string> {
  const attrs: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [prefix, name, value] of raw) {
    const ns = prefix === '' ? '' : p.resolve(scope, prefix);
    const key = ns === '' ? name : ns === NS_XML ? `xml:${name}` : `{${ns}}${name}`;
    if (key in attrs) p.fail('attribute twice');
    attrs[key] = value;
  }
  return attrs;
}
