// SPDX-License-Identifier: Apache-2.0

// XEP-0352 v1.0.0: whether somebody looks at this device.
import { type Element, x } from '../xml/element';

export function clientState(active: boolean): Element {
  return x('urn:xmpp:csi:0', active ? 'active' : 'inactive');
}
