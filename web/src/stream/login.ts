// SPDX-License-Identifier: Apache-2.0

// Log-in: XEP-0388 v1.0.4 (SASL2) with XEP-0386 v1.1.0 (Bind 2), within it XEP-0198 v1.6.3 (a session of before goes
// on, or a new one that can), copies of what other devices say (XEP-0280) and the state of this one (XEP-0352), and
// XEP-0484 v0.2.0 (FAST): a token in place of the password from the second time on.
import { attr, child, children, childText, elements, type Element, text, x } from '../xml/element';
import { fromBase64, toBase64, utf8 } from './bytes';
import { SaslError, StreamError, Unreachable } from './errors';
import { HT, htInitial, htVerify } from './ht';
import { NS_BIND2, NS_CARBONS, NS_CSI, NS_FAST, NS_LIMITS, NS_MAM, NS_SASL, NS_SASL2, NS_SM } from './ns';
import { Scram } from './scram';
import type { Dial } from './socket';
import { Stream } from './stream';
import { features, Wire } from './wire';

export type Credential =
  | { readonly kind: 'password'; readonly password: string }
  /** A FAST token; count grows with every try (XEP-0484 §3.4). */
  | { readonly kind: 'token'; readonly secret: string; readonly count: number }
  /** The one-time code of a sign-up: used like a token, once. */
  | { readonly kind: 'code'; readonly secret: string };

export interface UserAgent {
  readonly id: string; // UUID v4, one per installation
  readonly software: string;
  readonly device: string;
}

export interface LogIn {
  readonly url: string; // of the WebSocket
  readonly dial: Dial;
  readonly name: string; // the part of the address before @
  readonly domain: string;
  readonly credential: Credential;
  readonly agent: UserAgent;
  readonly deadline?: number; // ms for all of it; 0 or missing: 10 s
  readonly previous?: Stream; // asleep: to be resumed
  readonly inactive?: boolean; // nobody looks at this device now
  readonly signal?: AbortSignal; // gives it up, as if the server could not be reached
}

const DEADLINE = 10_000; // ms

export interface Opened {
  readonly stream: Stream; // the previous one where it was resumed
  readonly token?: string | undefined; // a new one in place of the one used, where the server gave one
  readonly copies: boolean; // of what other devices send and get (XEP-0280) were switched on
  readonly csi: boolean; // the server wants to know whether somebody looks (XEP-0352)
  readonly active: boolean; // what it takes for granted of that
  /** The newest message in the archive when the session began (XEP-0386 §3.2), '' for none; missing: it did not say. */
  readonly newest?: string;
}

/**
 * logIn opens a connection, and resumes the previous session or binds a new one. It asks for a token unless it came
 * with one. A previous session that could not be resumed is lost.
 * Rejects with a SaslError (refused), a StreamError, or Unreachable.
 */
export async function logIn(o: LogIn): Promise<Opened> {
  return negotiate(o, async (wire, offer) => {
    const can = offered(offer);
    const previous = can.has(NS_SM) ? o.previous : undefined;
    const resume = previous && x(NS_SM, 'resume', { previd: previous.id, h: String(await previous.settled()) });
    const [copies, csi] = [can.has(`bind ${NS_CARBONS}`), can.has(`bind ${NS_CSI}`)];
    const bind = x(
      NS_BIND2,
      'bind',
      {},
      x(NS_BIND2, 'tag', {}, o.agent.software),
      x(NS_SM, 'enable', { resume: 'true' }),
      copies && x(NS_CARBONS, 'enable'),
      csi && o.inactive === true && x(NS_CSI, 'inactive'),
    );
    const ask = o.credential.kind !== 'token' && mechanisms(fast(offer)).includes(HT);
    const success = await authenticate(wire, o, offer, resume ?? false, bind, ask && x(NS_FAST, 'request-token', { mechanism: HT }));
    const token = tokenOf(success);
    const resumed = child(success, NS_SM, 'resumed');
    if (previous && resumed) {
      // XEP-0198 §9.2: there are no features then; all goes on at once.
      try {
        previous.resume(wire, count(resumed) ?? Number.NaN);
      } catch {
        previous.lost(); // it counts what was never sent (XEP-0198 §6)
        throw wire.fail('undefined-condition');
      }
      return { stream: previous, token, copies, csi, active: true }; // XEP-0352 §5.2
    }
    const failed = child(success, NS_SM, 'failed');
    o.previous?.lost(failed && count(failed));
    const bound = child(success, NS_BIND2, 'bound');
    const enabled = bound && child(bound, NS_SM, 'enabled');
    if (!bound || !enabled) throw wire.fail('unsupported-feature');
    const jid = childText(success, NS_SASL2, 'authorization-identifier')?.trim() ?? '';
    if (!jid.includes('/')) throw wire.fail('bad-format');
    const more = await features(wire);
    const limits = child(more, NS_LIMITS, 'limits');
    const max = Number(limits && childText(limits, NS_LIMITS, 'max-bytes'));
    const id = ['true', '1'].includes(attr(enabled, 'resume')) ? attr(enabled, 'id') : '';
    const metadata = child(bound, NS_MAM, 'metadata');
    const end = metadata && child(metadata, NS_MAM, 'end');
    return {
      stream: new Stream(wire, jid, max > 0 ? max : undefined, id),
      token,
      copies,
      csi: csi || child(more, NS_CSI, 'csi') !== undefined,
      active: !(csi && o.inactive === true),
      ...(metadata ? { newest: end ? attr(end, 'id') : '' } : {}),
    };
  });
}

/** invalidate makes the server forget the token (XEP-0484 §3.6). */
export async function invalidate(o: LogIn & { credential: { kind: 'token' } }): Promise<void> {
  await negotiate(o, async (wire, offer) => {
    await authenticate(wire, o, offer);
    wire.close();
  });
}

async function negotiate<T>(o: LogIn, run: (wire: Wire, offer: Element) => Promise<T>): Promise<T> {
  const wire = new Wire(o.dial, o.url);
  // A server that falls silent must not keep the person waiting.
  const timer = setTimeout(() => wire.cut('no answer in time'), o.deadline || DEADLINE);
  const giveUp = (): void => wire.cut('given up');
  o.signal?.addEventListener('abort', giveUp);
  if (o.signal?.aborted) giveUp();
  try {
    // FAST needs the address beforehand (XEP-0484 §4.1); it is told over secure connections only.
    const from = isSecure(o.url) ? `${o.name}@${o.domain}` : undefined;
    await wire.open({ to: o.domain, from, version: '1.0' });
    const offer = child(await features(wire), NS_SASL2, 'authentication');
    if (!offer) throw wire.fail('unsupported-feature');
    return await run(wire, offer);
  } catch (e) {
    wire.cut('log-in failed');
    throw e;
  } finally {
    clearTimeout(timer);
    o.signal?.removeEventListener('abort', giveUp);
  }
}

async function authenticate(wire: Wire, o: LogIn, offer: Element, ...inline: (Element | false)[]): Promise<Element> {
  const exchange = await begin(o, offer);
  const c = o.credential;
  wire.send(
    x(
      NS_SASL2,
      'authenticate',
      { mechanism: exchange.mechanism },
      x(NS_SASL2, 'initial-response', {}, toBase64(exchange.initial)),
      x(
        NS_SASL2,
        'user-agent',
        { id: o.agent.id },
        x(NS_SASL2, 'software', {}, o.agent.software),
        x(NS_SASL2, 'device', {}, o.agent.device),
      ),
      ...inline,
      c.kind === 'token' && x(NS_FAST, 'fast', { count: String(c.count), invalidate: inline.length === 0 ? 'true' : undefined }),
      c.kind === 'code' && x(NS_FAST, 'fast', { count: '1' }),
    ),
  );
  for (;;) {
    const el = await wire.next();
    if (el.ns !== NS_SASL2) throw wire.fail('bad-format');
    switch (el.name) {
      case 'challenge':
        wire.send(x(NS_SASL2, 'response', {}, toBase64(utf8(await exchange.respond(decode(text(el)))))));
        break;
      case 'success':
        // XEP-0388 §2.6.1; a server that cannot prove that it knows the secret is not ours.
        if (!(await exchange.verify(childText(el, NS_SASL2, 'additional-data') ?? ''))) throw new SaslError('server-not-proven');
        return el;
      case 'failure':
        throw new SaslError(elements(el).find((e) => e.ns === NS_SASL && e.name !== 'text')?.name ?? 'not-authorized');
      default:
        throw new SaslError('further-steps', el.name); // <continue/>: no second factor is known here
    }
  }
}

interface Exchange {
  readonly mechanism: string;
  readonly initial: Uint8Array;
  respond(challenge: string): Promise<string>;
  verify(data: string): Promise<boolean>;
}

async function begin(o: LogIn, offer: Element): Promise<Exchange> {
  const c = o.credential;
  if (c.kind !== 'password') {
    // Not offered now is no reason to give up the token.
    if (!mechanisms(fast(offer)).includes(HT)) throw new Unreachable('no log-in by token offered');
    return {
      mechanism: HT,
      initial: await htInitial(o.name, c.secret),
      respond: () => Promise.reject(new SaslError('malformed-request', 'challenge')),
      verify: (data) => htVerify(c.secret, raw(data)),
    };
  }
  const offered = mechanisms(offer);
  const hash = (['SHA-256', 'SHA-1'] as const).find((h) => offered.includes(`SCRAM-${h}`));
  if (!hash) throw new SaslError('invalid-mechanism', offered.join(' '));
  const scram = new Scram(hash, o.name, c.password);
  return {
    mechanism: `SCRAM-${hash}`,
    initial: utf8(scram.first()),
    respond: (challenge) => scram.final(challenge),
    verify: async (data) => scram.verify(decode(data)),
  };
}

/** What may be asked for within the log-in; with "bind " before it, within the binding. */
function offered(offer: Element): ReadonlySet<string> {
  const inline = child(offer, NS_SASL2, 'inline');
  const bind = inline && child(inline, NS_BIND2, 'bind');
  const within = bind && child(bind, NS_BIND2, 'inline');
  const features = within ? children(within, NS_BIND2, 'feature').map((f) => `bind ${attr(f, 'var')}`) : [];
  return new Set([...(inline ? elements(inline).map((e) => e.ns) : []), ...features]);
}

function count(el: Element): number | undefined {
  return /^\d{1,10}$/.test(attr(el, 'h')) ? Number(attr(el, 'h')) : undefined;
}

function fast(offer: Element): Element | undefined {
  const inline = child(offer, NS_SASL2, 'inline');
  return inline && child(inline, NS_FAST, 'fast');
}

function mechanisms(el: Element | undefined): string[] {
  return el ? children(el, el.ns, 'mechanism').map(text) : [];
}

function tokenOf(success: Element): string | undefined {
  const el = child(success, NS_FAST, 'token');
  return el && attr(el, 'token') !== '' ? attr(el, 'token') : undefined;
}

function raw(base64: string): Uint8Array {
  try {
    return fromBase64(base64.trim());
  } catch {
    throw new StreamError('bad-format', 'base64');
  }
}

function decode(base64: string): string {
  return new TextDecoder().decode(raw(base64));
}

function isSecure(url: string): boolean {
  const u = new URL(url);
  return u.protocol === 'wss:' || ['localhost', '127.0.0.1', '[::1]'].includes(u.hostname);
}
