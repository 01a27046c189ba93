// SPDX-License-Identifier: Apache-2.0

// The archive of an account of the server for tests: XEP-0313 as far as it is needed.
import { attr, child, children, childText, type Element, x } from '../../xml/element';

const MAM = 'urn:xmpp:mam:2';
const RSM = 'http://jabber.org/protocol/rsm';
const DATA = 'jabber:x:data';

export interface Entry {
  readonly id: string;
  readonly time: number;
  readonly peer: string; // bare address
  readonly el: Element;
}

/** The entries that a query asks for, and its <fin/>; undefined: it names an id that is not there. */
export function answerQuery(archive: readonly Entry[], query: Element, limit: number): { page: readonly Entry[]; fin: Element } | undefined {
  const form = child(query, DATA, 'x');
  const field = (name: string): string | undefined => {
    const f = form && children(form, DATA, 'field').find((c) => attr(c, 'var') === name);
    return f && childText(f, DATA, 'value');
  };
  const set = child(query, RSM, 'set') ?? x('', '');
  const [after, before] = [childText(set, RSM, 'after'), childText(set, RSM, 'before')];
  const place = (id: string | undefined): number => (id ? archive.findIndex((e) => e.id === id) : -1);
  for (const id of [after, before, field('after-id')]) if (id && place(id) < 0) return undefined;
  const bound = place(field('after-id'));
  const all = archive.filter((e, i) => i > bound && (field('with') === undefined || e.peer === field('with')));
  const index = (e: Entry): number => archive.indexOf(e);
  const max = Math.min(limit, Number(childText(set, RSM, 'max') ?? limit));
  let rest = all;
  if (after !== undefined) rest = all.filter((e) => index(e) > place(after));
  else if (before) rest = all.filter((e) => index(e) < place(before));
  const page = before === undefined ? rest.slice(0, max) : rest.slice(Math.max(0, rest.length - max));
  const [first, last] = [page[0], page.at(-1)];
  const fin = x(
    MAM,
    'fin',
    { complete: page.length === rest.length ? 'true' : undefined },
    x(
      RSM,
      'set',
      {},
      first && x(RSM, 'first', { index: String(all.indexOf(first)) }, first.id),
      last && x(RSM, 'last', {}, last.id),
      x(RSM, 'count', {}, String(all.length)),
    ),
  );
  return { page, fin };
}

/** An entry as the result of a query. */
export function resultOf(e: Entry, queryId: string, to: string): Element {
  const delay = x('urn:xmpp:delay', 'delay', { stamp: new Date(e.time).toISOString() });
  const forwarded = x('urn:xmpp:forward:0', 'forwarded', {}, delay, e.el);
  return x('jabber:client', 'message', { to }, x(MAM, 'result', { queryid: queryId, id: e.id }, forwarded));
}
