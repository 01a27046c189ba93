// SPDX-License-Identifier: Apache-2.0

// Addresses as RFC 7622 writes them: local@domain/resource. The server normalises what we send; here is
// only what is needed to compare what came from it, and to tell a person about a slip.

/** bare is the address without the part of the device. */
export function bare(jid: string): string {
  const slash = jid.indexOf('/');
  return slash < 0 ? jid : jid.slice(0, slash);
}

/** resource is what stands after the first slash, '' for none. */
export function resource(jid: string): string {
  const slash = jid.indexOf('/');
  return slash < 0 ? '' : jid.slice(slash + 1);
}

/** local is the part before @, '' for a domain. */
export function local(jid: string): string {
  const b = bare(jid);
  const at = b.indexOf('@');
  return at < 0 ? '' : b.slice(0, at);
}

export function domain(jid: string): string {
  const b = bare(jid);
  return b.slice(b.indexOf('@') + 1);
}

const FORBIDDEN = /["&'/:<>@\s\u0000-\u001F\u007F]/; // RFC 7622 §3.3.1
const LABELS = /^(?:[\p{L}\p{N}](?:[\p{L}\p{N}\p{M}-]*[\p{L}\p{N}\p{M}])?)(?:\.[\p{L}\p{N}](?:[\p{L}\p{N}\p{M}-]*[\p{L}\p{N}\p{M}])?)*$|^\[[0-9a-fA-F:.]+\]$/u;

/**
 * address reads what a person typed: a bare address, perhaps as an xmpp: link; a name alone means the given domain.
 * '' where it is none.
 */
export function address(typed: string, ownDomain: string): string {
  let s = typed.trim().replace(/^xmpp:/i, '').replace(/[?#].*$/, '');
  if (!s.includes('@')) s = `${s}@${ownDomain}`;
  const at = s.indexOf('@');
  const name = s.slice(0, at).normalize('NFC').toLowerCase();
  const host = s.slice(at + 1).normalize('NFC').toLowerCase().replace(/\.$/, '');
  const bytes = new TextEncoder().encode(name).length; // RFC 7622 §3.3: 1 to 1023 octets
  if (bytes < 1 || bytes > 1023 || FORBIDDEN.test(name) || host.length > 1023 || !LABELS.test(host)) return '';
  return `${name}@${host}`;
}
