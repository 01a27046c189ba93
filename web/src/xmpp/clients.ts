// SPDX-License-Identifier: Apache-2.0

// Who has access to the account: XEP-0494 v0.1.0.
import { attr, child, children, childText, type Element, x } from '../xml/element';

const NS_CAM = 'urn:xmpp:cam:0';
const NS_MORE = 'https://kith.im/protocol/clients'; // what our server tells beyond the document

export interface Client {
  readonly id: string;
  readonly here: boolean; // it is this one
  readonly connected: boolean;
  readonly firstSeen: number; // ms since 1970, 0 = not said
  readonly lastSeen: number;
  readonly software: string; // '' = not said
  readonly device: string;
  readonly network: string; // where it was last, told roughly; '' = not said
  readonly password: boolean; // it has shown the password; taking a token from it does not keep it out
}

export function list(): Element {
  return x(NS_CAM, 'list');
}

export function readList(iq: Element): Client[] {
  const all = child(iq, NS_CAM, 'clients');
  return all ? children(all, NS_CAM, 'client').map(read).filter((c) => c.id !== '') : [];
}

export function revoke(id: string): Element {
  return x(NS_CAM, 'revoke', { id });
}

/** Whether only a new password keeps that client out (§3.2). */
export function needsPassword(error: Element): boolean {
  const el = error.children.find((c): c is Element => typeof c !== 'string' && c.name === 'error');
  return el !== undefined && child(el, NS_CAM, 'password-reset-required') !== undefined;
}

function read(el: Element): Client {
  const agent = child(el, NS_CAM, 'user-agent');
  const auth = child(el, NS_CAM, 'auth');
  const said = (name: string): string => (agent && childText(agent, NS_CAM, name)?.trim()) ?? '';
  return {
    id: attr(el, 'id'),
    here: child(el, NS_MORE, 'here') !== undefined,
    connected: ['true', '1'].includes(attr(el, 'connected')),
    firstSeen: Date.parse(childText(el, NS_CAM, 'first-seen') ?? '') || 0,
    lastSeen: Date.parse(childText(el, NS_CAM, 'last-seen') ?? '') || 0,
    software: said('software'),
    device: said('device'),
    network: childText(el, NS_MORE, 'network')?.trim() ?? '',
    password: auth !== undefined && child(auth, NS_CAM, 'password') !== undefined,
  };
}
