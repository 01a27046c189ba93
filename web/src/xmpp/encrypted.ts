// SPDX-License-Identifier: Apache-2.0

// A message whose text only other devices can read: OMEMO in both its versions (XEP-0384), or what a
// XEP-0380 v0.4.0 tag names. Its body says so in words of the sender's app, and is not the message.
import { child, type Element } from '../xml/element';

const ENCRYPTED = ['eu.siacs.conversations.axolotl', 'urn:xmpp:omemo:1', 'urn:xmpp:omemo:2'] as const;

export function isEncrypted(message: Element): boolean {
  return (
    ENCRYPTED.some((ns) => hasPayload(child(message, ns, 'encrypted'), ns)) ||
    child(message, 'urn:xmpp:eme:0', 'encryption') !== undefined
  );
}

/** Without a payload it only keeps keys fresh and is no message to show. */
function hasPayload(el: Element | undefined, ns: string): boolean {
  return el !== undefined && child(el, ns, 'payload') !== undefined;
}
