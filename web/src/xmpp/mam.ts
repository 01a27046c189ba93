// SPDX-License-Identifier: Apache-2.0

// The archive of our account: XEP-0313 v1.1.3, page by page as XEP-0059 v1.0 says.
import { attr, child, childText, type Element, x } from '../xml/element';
import { forwarded, forwardedAt } from './carbons';
import { NS_DATA } from './ns';

export const NS_MAM = 'urn:xmpp:mam:2';
/** The feature by which a server says that it knows afterId. */
export const EXTENDED = `${NS_MAM}#extended`;
const NS_RSM = 'http://jabber.org/protocol/rsm';

/** Which page: the first one after an id, or the last one before one ('' = the end of the archive). */
export interface Ask {
  readonly max: number;
  readonly after?: string; // '' = the beginning of the archive
  readonly before?: string;
  readonly with?: string; // only what was said with this address
  readonly afterId?: string; // nothing up to this; needs EXTENDED
}

/** The query; id tells its results from those of others. */
export function query(id: string, ask: Ask): Element {
  const field = (name: string, value: string | undefined, type?: string): Element | false =>
    value !== undefined && x(NS_DATA, 'field', { var: name, type }, x(NS_DATA, 'value', {}, value));
  const filtered = ask.with !== undefined || ask.afterId !== undefined;
  return x(
    NS_MAM,
    'query',
    { queryid: id },
    filtered && x(NS_DATA, 'x', { type: 'submit' }, field('FORM_TYPE', NS_MAM, 'hidden'), field('with', ask.with), field('after-id', ask.afterId)),
    x(
      NS_RSM,
      'set',
      {},
      x(NS_RSM, 'max', {}, String(ask.max)),
      ask.after !== undefined && ask.after !== '' && x(NS_RSM, 'after', {}, ask.after),
      ask.before !== undefined && x(NS_RSM, 'before', {}, ...(ask.before === '' ? [] : [ask.before])),
    ),
  );
}

export interface Result {
  readonly id: string; // in the archive
  readonly message: Element;
  readonly time: number | undefined; // ms since 1970
}

/** The result in a message of our account's, for the query with that id; undefined where it is none. */
export function resultOf(el: Element, own: string, queryId: string): Result | undefined {
  const result = el.name === 'message' && (attr(el, 'from') || own) === own ? child(el, NS_MAM, 'result') : undefined;
  if (!result || attr(result, 'queryid') !== queryId) return undefined;
  const message = forwarded(result);
  const id = attr(result, 'id');
  return message && id !== '' ? { id, message, time: forwardedAt(result) } : undefined;
}

export interface Fin {
  readonly complete: boolean; // there is no more in this direction
  readonly first: string; // ids, '' for an empty page
  readonly last: string;
  readonly index?: number; // of the first in all that the query matches
  readonly count?: number; // of all that it matches
}

/** The end of a page (§4.3); undefined where it is none. */
export function finOf(iq: Element): Fin | undefined {
  const fin = child(iq, NS_MAM, 'fin');
  if (!fin) return undefined;
  const set = child(fin, NS_RSM, 'set');
  const first = set && child(set, NS_RSM, 'first');
  const number = (s: string | undefined): number | undefined => (s !== undefined && /^\d+$/.test(s.trim()) ? Number(s) : undefined);
  const index = number(first && attr(first, 'index'));
  const count = number(set && childText(set, NS_RSM, 'count'));
  return {
    complete: ['true', '1'].includes(attr(fin, 'complete')),
    first: (set && childText(set, NS_RSM, 'first')?.trim()) ?? '',
    last: (set && childText(set, NS_RSM, 'last')?.trim()) ?? '',
    ...(index === undefined ? {} : { index }),
    ...(count === undefined ? {} : { count }),
  };
}
