// SPDX-License-Identifier: Apache-2.0

// XML as plain values: what parse() reads and serialize() writes. Elements are never changed after they
// were made, so they may be shared and kept.

/** An attribute's key is its local name; 'xml:lang' for the xml prefix; '{namespace}local' for any other prefix. */
export type Attributes = Readonly<Record<string, string>>;

export type Child = Element | string;

export interface Element {
  readonly ns: string; // '' = none
  readonly name: string;
  readonly attrs: Attributes;
  readonly children: readonly Child[]; // adjacent texts are one string
}

/** x makes an element. Attributes and children that are undefined or false are left out. */
export function x(
  ns: string,
  name: string,
  attrs: Readonly<Record<string, string | undefined>> = {},
  ...children: readonly (Child | undefined | false)[]
): Element {
  const kept: Record<string, string> = {};
  for (const [k, v] of Object.entries(attrs)) if (v !== undefined) kept[k] = v;
  return { ns, name, attrs: kept, children: children.filter((c): c is Child => c !== undefined && c !== false) };
}

/** elements are the element children, in order. */
export function elements(el: Element): Element[] {
  return el.children.filter((c): c is Element => typeof c !== 'string');
}

/** child is the first element child of that namespace and name. */
export function child(el: Element, ns: string, name: string): Element | undefined {
  for (const c of el.children) if (typeof c !== 'string' && c.name === name && c.ns === ns) return c;
  return undefined;
}

/** children are all element children of that namespace and name. */
export function children(el: Element, ns: string, name: string): Element[] {
  return elements(el).filter((c) => c.name === name && c.ns === ns);
}

/** text is the direct character data. */
export function text(el: Element): string {
  return el.children.filter((c): c is string => typeof c === 'string').join('');
}

/** childText is the text of the first such child; undefined where there is none, '' where it is empty. */
export function childText(el: Element, ns: string, name: string): string | undefined {
  const c = child(el, ns, name);
  return c && text(c);
}

/** attr is the attribute's value, '' where it is missing. */
export function attr(el: Element, name: string): string {
  return Object.hasOwn(el.attrs, name) ? (el.attrs[name] ?? '') : '';
}
