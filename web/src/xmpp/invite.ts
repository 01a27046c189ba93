// SPDX-License-Identifier: Apache-2.0

// XEP-0401 v0.6.0: an invitation, by a command (XEP-0050 v1.3.0) whose answer is a form (XEP-0004).
import { attr, child, children, childText, type Element, x } from '../xml/element';
import { NS_DATA } from './ns';

const NS_COMMANDS = 'http://jabber.org/protocol/commands';
const NODE = 'urn:xmpp:invite#invite';

export function invite(): Element {
  return x(NS_COMMANDS, 'command', { node: NODE, action: 'execute' });
}

/** The links in the answer; undefined where it is none. expires: ms since 1970, 0 = never. */
export function read(iq: Element): { uri: string; landing: string; expires: number } | undefined {
  const command = child(iq, NS_COMMANDS, 'command');
  const form = command && attr(command, 'status') === 'completed' ? child(command, NS_DATA, 'x') : undefined;
  if (!form) return undefined;
  const values = new Map(children(form, NS_DATA, 'field').map((f) => [attr(f, 'var'), childText(f, NS_DATA, 'value')?.trim() ?? '']));
  const uri = values.get('uri') ?? '';
  if (uri === '') return undefined;
  return { uri, landing: values.get('landing-url') ?? '', expires: Date.parse(values.get('expire') ?? '') || 0 };
}
