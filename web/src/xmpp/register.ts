// SPDX-License-Identifier: Apache-2.0

// XEP-0077 v2.4 §3.3: a new password.
import { type Element, x } from '../xml/element';

const NS_REGISTER = 'jabber:iq:register';

/** name is the part of our address before @. */
export function newPassword(name: string, password: string): Element {
  return x(NS_REGISTER, 'query', {}, x(NS_REGISTER, 'username', {}, name), x(NS_REGISTER, 'password', {}, password));
}
