// SPDX-License-Identifier: Apache-2.0

// Who has access to the account: XEP-0494 v0.1.0.
import { attr, child, children, childText, type Element, x } from '../xml/element';

const NS_CAM = 'urn:xmpp:cam:0';

export interface Client {
  readonly id: string;
  readonly connected: boolean;
  readonly firstSeen: number; // ms since 1970, 0 = not said
  readonly lastSeen: number;
  readonly software: string; // '' = not said
  readonly device: string;
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
    connected: ['true', '1'].includes(attr(el, 'connected')),
    firstSeen: Date.parse(childText(el, NS_CAM, 'first-seen') ?? '') || 0,
    lastSeen: Date.parse(childText(el, NS_CAM, 'last-seen') ?? '') || 0,
    software: said('software'),
    device: said('device'),
    password: auth !== undefined && child(auth, NS_CAM, 'password') !== undefined,
  };
}
