// SPDX-License-Identifier: Apache-2.0

// XEP-0077 v2.4 §3.3: a new password, by the form that has the present one in it as well: we may have logged in long ago.
import { type Element, x } from '../xml/element';
import { NS_DATA } from './ns';

const NS_REGISTER = 'jabber:iq:register';

/** name is the part of our address before @. */
export function newPassword(name: string, current: string, next: string): Element {
  const field = (key: string, value: string): Element => x(NS_DATA, 'field', { var: key }, x(NS_DATA, 'value', {}, value));
  const fields = [field('FORM_TYPE', 'jabber:iq:register:changepassword'), field('username', name), field('old_password', current), field('password', next)];
  return x(NS_REGISTER, 'query', {}, x(NS_DATA, 'x', { type: 'submit' }, ...fields));
}
