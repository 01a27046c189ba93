// SPDX-License-Identifier: Apache-2.0

import type { Element } from './element';
import { escapeAttr, escapeText } from './escape';

/** serialize writes el; outer is the namespace it is put into ('' = a document of its own, which declares all). */
export function serialize(el: Element, outer = ''): string {
  let out = `<${el.name}`;
  if (el.ns !== outer) out += ` xmlns="${escapeAttr(el.ns)}"`;
  let prefixes = 0;
  for (const [key, value] of Object.entries(el.attrs)) {
    if (key.startsWith('{')) {
      const end = key.indexOf('}');
      const p = `a${prefixes++}`;
      out += ` xmlns:${p}="${escapeAttr(key.slice(1, end))}" ${p}:${key.slice(end + 1)}="${escapeAttr(value)}"`;
    } else {
      out += ` ${key}="${escapeAttr(value)}"`;
    }
  }
  if (el.children.length === 0) return `${out}/>`;
  out += '>';
  for (const c of el.children) out += typeof c === 'string' ? escapeText(c) : serialize(c, el.ns);
  return `${out}</${el.name}>`;
}
