// SPDX-License-Identifier: Apache-2.0

import { afterEach, describe, expect, it, vi } from 'vitest';
import { attr, child, type Element, x } from '../xml/element';
import { backoff } from './backoff';
import { fromBase64, toBase64 } from './bytes';
import { SaslError, StreamError, Unreachable } from './errors';
import { htInitial, htVerify } from './ht';
import { type Credential, invalidate, logIn, type LogIn } from './login';
import { prepare, Scram } from './scram';
import { Counter, TooHigh } from './sm';
import { type Listener, StanzaError, Stream } from './stream';
import { FakeServer } from './testing/server';

afterEach(() => {
  vi.useRealTimers();
});

describe('scram', () => {
  it('computes the example of RFC 7677 §3', async () => {
    const s = new Scram('SHA-256', 'user', 'pencil', 'rOprNGfwEbeRWgbNEkqO');
    expect(s.first()).toBe('n,,n=user,r=rOprNGfwEbeRWgbNEkqO');
    const answer = await s.final('r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096');
    expect(answer).toBe('c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=');
    expect(s.verify('v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=')).toBe(true);
    expect(s.verify('v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95H4=')).toBe(false);
    expect(s.verify('e=other-error')).toBe(false);
  });

  it('computes the example of RFC 5802 §5', async () => {
    const s = new Scram('SHA-1', 'user', 'pencil', 'fyko+d2lbbFgONRv9qkxdawL');
    const answer = await s.final('r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096');
    expect(answer).toBe('c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=');
    expect(s.verify('v=rmF9pqV8S7suAoZWja4dJRkFsKQ=')).toBe(true);
  });

  it.each([
    ['a nonce that is not ours', 'r=other,s=QSXCR+Q6sek8bf92,i=4096'],
    ['a nonce that is only ours', 'r=abc,s=QSXCR+Q6sek8bf92,i=4096'],
    ['too few iterations', 'r=abcd,s=QSXCR+Q6sek8bf92,i=1'],
    ['iterations for a week', 'r=abcd,s=QSXCR+Q6sek8bf92,i=4000000000'],
    ['no base64', 'r=abcd,s=%%%,i=4096'],
    ['an extension', 'm=x,r=abcd,s=QSXCR+Q6sek8bf92,i=4096'],
  ])('refuses %s', async (_what, challenge) => {
    await expect(new Scram('SHA-256', 'u', 'p', 'abc').final(challenge)).rejects.toThrow(SaslError);
  });

  it('prepares as RFC 4013 §3 shows', () => {
    expect(prepare('I\u00ADX')).toBe('IX');
    expect(prepare('\u00AA')).toBe('a');
    expect(prepare('\u2168')).toBe('IX');
    expect(prepare('a\u00A0b')).toBe('a b');
    expect(new Scram('SHA-1', 'a=b,c', 'p', 'n').first()).toBe('n,,n=a=3Db=2Cc,r=n');
  });

  it.each([
    ['\u2168 and \u00BD', 'IX and 1\u20442'],
    ['a\u3000b\u200Bc', 'a b c'],
    ['pass\u00ADwo\u200Drd\uFE0F', 'password'],
    ['u\u0308ber', '\u00FCber'],
  ])('derives the same from %j and %j', async (one, two) => {
    const proof = async (name: string, password: string): Promise<string> => new Scram('SHA-256', name, password, 'n').final('r=nm,s=c2FsdA==,i=4096');
    expect(await proof(one, one)).toBe(await proof(two, two));
    expect(await proof(one, one)).not.toBe(await proof(one, 'another'));
  });
});

describe('ht', () => {
  it('is an HMAC of one word', async () => {
    const raw = await htInitial('juliet', 'token');
    expect(new TextDecoder().decode(raw.slice(0, 7))).toBe('juliet\0');
    expect(raw.length).toBe(7 + 32);
    // printf Responder | openssl dgst -sha256 -hmac token
    const responder = await crypto.subtle.sign('HMAC', await crypto.subtle.importKey('raw', new TextEncoder().encode('token'), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']), new TextEncoder().encode('Responder'));
    expect(await htVerify('token', new Uint8Array(responder))).toBe(true);
    expect(await htVerify('other', new Uint8Array(responder))).toBe(false);
  });
});

describe('base64', () => {
  it('goes there and back', () => {
    const all = Uint8Array.from({ length: 256 }, (_, i) => i);
    expect(fromBase64(toBase64(all))).toEqual(all);
  });
});

describe('sm', () => {
  it('acknowledges in order and exactly', () => {
    const c = new Counter();
    const done: number[] = [];
    for (const n of [1, 2, 3]) c.sent({ el: x('', 'x'), key: '', acked: () => void done.push(n) });
    c.ack(2);
    expect(done).toEqual([1, 2]);
    c.ack(2);
    expect(c.unacked).toHaveLength(1);
    expect(() => c.ack(4)).toThrow(TooHigh);
    expect(() => c.ack(1)).toThrow(TooHigh); // going back is going round
    expect(() => c.ack(Number.NaN)).toThrow(TooHigh);
    c.ack(3);
    expect(done).toEqual([1, 2, 3]);
  });
});

describe('backoff', () => {
  it('doubles to a minute, spread over half', () => {
    expect([1, 2, 3, 4, 7, 99].map((n) => backoff(n, () => 1))).toEqual([1000, 2000, 4000, 8000, 60000, 60000]);
    expect(backoff(1, () => 0)).toBe(500);
  });
});

const agent = { id: '6a3bf1a0-7c0e-4d4f-9d3e-0a1b2c3d4e5f', software: 'Kith', device: 'Test' };

function options(server: FakeServer, credential: Credential, name = 'juliet'): LogIn {
  return { url: 'wss://kith.example/xmpp-websocket', dial: server.dial, name, domain: server.domain, credential, agent };
}

interface Opened {
  stream: Stream;
  got: Element[];
  ended: Error[];
  listener: Listener;
}

async function open(server: FakeServer, name = 'juliet'): Promise<Opened> {
  const { stream } = await logIn(options(server, { kind: 'password', password: 'correct horse' }, name));
  const got: Element[] = [];
  const ended: Error[] = [];
  const listener = { stanza: (el: Element) => void got.push(el), ended: (e: Error) => void ended.push(e) };
  stream.start(listener);
  return { stream, got, ended, listener };
}

const settle = (): Promise<void> => new Promise((done) => setTimeout(done, 20));

describe('log-in', () => {
  it.each([
    [10_000, 10_000],
    [0, 262_144],
  ])('where the server says %d bytes, a stanza may have %d (XEP-0478 §3.1)', async (said, want) => {
    const server = new FakeServer();
    server.add('juliet');
    server.maxBytes = said;
    expect((await open(server)).stream.maxBytes).toBe(want);
  });

  it('by password gets an address and a token; by token goes on', async () => {
    const server = new FakeServer();
    server.add('juliet');
    const first = await logIn(options(server, { kind: 'password', password: 'correct horse' }));
    expect(first.stream.bare).toBe('juliet@kith.example');
    const secret = first.token ?? '';
    expect(secret).not.toBe('');
    const second = await logIn(options(server, { kind: 'token', secret, count: 1 }));
    expect(second.token).toBeUndefined();
    expect(server.tries).toEqual(['SCRAM-SHA-256', 'HT-SHA-256-NONE']);
  });

  it('says what was wrong', async () => {
    const server = new FakeServer();
    server.add('juliet').disabled = true;
    await expect(logIn(options(server, { kind: 'password', password: 'no' }))).rejects.toMatchObject({ condition: 'not-authorized' });
    await expect(logIn(options(server, { kind: 'password', password: 'correct horse' }))).rejects.toMatchObject({ condition: 'account-disabled' });
    await expect(logIn({ ...options(server, { kind: 'token', secret: 'x', count: 1 }), domain: 'other.example' })).rejects.toBeInstanceOf(StreamError);
    server.reachable = false;
    await expect(logIn(options(server, { kind: 'password', password: 'x' }))).rejects.toBeInstanceOf(Unreachable);
  });

  it('takes a code once', async () => {
    const server = new FakeServer();
    server.add('juliet').codes.add('once');
    const { token } = await logIn(options(server, { kind: 'code', secret: 'once' }));
    expect(token).toBeDefined();
    await expect(logIn(options(server, { kind: 'code', secret: 'once' }))).rejects.toBeInstanceOf(SaslError);
  });

  it('gives up on a silent server', async () => {
    vi.useFakeTimers();
    const mute = { send: () => {}, close: () => {}, onopen: null as (() => void) | null, onmessage: null, onclose: null };
    const server = new FakeServer();
    const failed = expect(logIn({ ...options(server, { kind: 'password', password: 'x' }), dial: () => mute })).rejects.toBeInstanceOf(Unreachable);
    await vi.advanceTimersByTimeAsync(10_000);
    await failed;
  });

  it('invalidates a token', async () => {
    const server = new FakeServer();
    const account = server.add('juliet');
    account.tokens.add('t');
    const credential = { kind: 'token', secret: 't', count: 2 } as const;
    await invalidate({ ...options(server, credential), credential });
    expect(account.tokens.size).toBe(0);
  });
});

describe('stream', () => {
  it('tells when the server has a stanza', async () => {
    const server = new FakeServer();
    server.add('juliet');
    const { stream } = await open(server);
    const acked: number[] = [];
    for (const n of [1, 2]) stream.send(x('jabber:client', 'presence'), () => acked.push(n));
    expect(acked).toEqual([]);
    await settle();
    expect(acked).toEqual([1, 2]);
  });

  it('does not pester a server that lags', async () => {
    const server = new FakeServer();
    server.add('juliet');
    const { stream } = await open(server);
    server.lagging = true;
    let acked = false;
    stream.send(x('jabber:client', 'presence'), () => {
      acked = true;
    });
    await settle();
    const [connection] = server.connections;
    expect(connection?.asked).toBe(1);
    server.lagging = false;
    await vi.waitFor(() => expect(acked).toBe(true));
    expect(connection?.asked).toBe(2);
  });

  it('does not tell when the connection is lost before', async () => {
    const server = new FakeServer();
    server.add('juliet');
    const { stream, ended } = await open(server);
    server.silent = true;
    let acked = false;
    stream.send(x('jabber:client', 'presence'), () => {
      acked = true;
    });
    await settle();
    server.cut();
    await settle();
    expect(acked).toBe(false);
    expect(ended).toHaveLength(1);
    expect(ended[0]).toBeInstanceOf(Unreachable);
  });

  it('acknowledges what was handled, in order, and no more', async () => {
    const server = new FakeServer();
    server.add('juliet');
    const { stream } = await logIn(options(server, { kind: 'password', password: 'correct horse' }));
    const order: string[] = [];
    let free = (): void => {};
    const gate = new Promise<void>((done) => {
      free = done;
    });
    stream.start({
      async stanza(el) {
        if (attr(el, 'id') === '1') await gate;
        order.push(attr(el, 'id'));
      },
      ended() {},
    });
    const [connection] = server.connections;
    for (const id of ['1', '2']) connection?.deliver(x('jabber:client', 'message', { id }));
    connection?.write(x('urn:xmpp:sm:3', 'r'));
    await settle();
    expect(connection?.acked).toBe(0);
    free();
    await settle();
    expect(order).toEqual(['1', '2']);
    expect(connection?.acked).toBe(2);
  });

  it('leaves with the server what it could not keep', async () => {
    const server = new FakeServer();
    server.add('juliet');
    const { stream } = await logIn(options(server, { kind: 'password', password: 'correct horse' }));
    const ended: Error[] = [];
    stream.start({ stanza: () => Promise.reject(new Error('disk full')), ended: (e) => void ended.push(e) });
    const [connection] = server.connections;
    connection?.deliver(x('jabber:client', 'message'));
    await settle();
    expect(connection?.acked).toBe(0);
    expect(ended).toHaveLength(1);
  });

  it('matches answers to queries by id and sender', async () => {
    const server = new FakeServer();
    server.add('juliet');
    const { stream } = await open(server);
    const answer = await stream.request('get', '', x('jabber:iq:roster', 'query'));
    expect(child(answer, 'jabber:iq:roster', 'query')).toBeDefined();
    await expect(stream.request('get', 'kith.example', x('urn:x', 'query'))).rejects.toMatchObject({ condition: 'service-unavailable' });
    await expect(stream.request('get', 'kith.example', x('urn:x', 'query'))).rejects.toBeInstanceOf(StanzaError);
    const lost = expect(stream.request('get', 'nobody@kith.example/x', x('urn:x', 'query'))).rejects.toBeInstanceOf(Unreachable);
    const id = attr(server.received.at(-1) ?? x('', ''), 'id');
    [...server.connections][0]?.deliver(x('jabber:client', 'iq', { type: 'result', id, from: 'mallory@kith.example' }));
    await settle();
    server.cut();
    await lost;
  });

  it('ends where more is acknowledged than was sent', async () => {
    const server = new FakeServer();
    server.add('juliet');
    const { ended } = await open(server);
    [...server.connections][0]?.write(x('urn:xmpp:sm:3', 'a', { h: '1' }));
    await settle();
    expect(ended[0]).toBeInstanceOf(StreamError);
  });

  it('finds out within five seconds that nobody is there', async () => {
    const server = new FakeServer();
    server.add('juliet');
    const { stream, ended } = await open(server);
    expect(await stream.check()).toBe(true);
    server.silent = true;
    vi.useFakeTimers();
    const check = stream.check();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(await check).toBe(false);
    expect(ended).toHaveLength(1);
  });

  it('does not wait long for an acknowledgement that does not come', async () => {
    const server = new FakeServer();
    server.add('juliet');
    const { stream, ended } = await open(server);
    server.silent = true;
    vi.useFakeTimers();
    stream.send(x('jabber:client', 'presence'));
    await vi.advanceTimersByTimeAsync(14_000);
    expect(ended).toEqual([]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(ended).toHaveLength(1);
  });

  it('reports the condition of a stream error', async () => {
    const server = new FakeServer();
    server.add('juliet');
    const { ended } = await open(server);
    [...server.connections][0]?.fail('conflict');
    await settle();
    expect(ended[0]).toMatchObject({ condition: 'conflict' });
  });
});

describe('a session', () => {
  const message = (id: string): Element => x('jabber:client', 'message', { id, to: 'nobody@other.example', type: 'headline' });

  async function begin(): Promise<{ server: FakeServer; opened: Opened; login: LogIn }> {
    const server = new FakeServer();
    server.sleeps = server.archives = true;
    server.add('juliet');
    const opened = await open(server);
    return { server, opened, login: options(server, { kind: 'password', password: 'correct horse' }) };
  }

  it('goes on over another connection, and each side gets the rest once', async () => {
    const { server, opened, login } = await begin();
    const { stream, got, ended } = opened;
    const acked: string[] = [];
    stream.send(message('a'), () => acked.push('a'));
    await settle();
    server.silent = true; // b does not get there
    stream.send(message('b'), () => acked.push('b'));
    await settle();
    server.silent = false;
    server.cut();
    await settle();
    expect([ended.length, stream.asleep]).toEqual([1, true]);
    stream.send(message('c'), () => acked.push('c')); // while it sleeps
    const [asleep] = server.sleeping.values();
    asleep?.deliver(x('jabber:client', 'message', { id: 'd' }));
    const answer = stream.request('get', '', x('jabber:iq:roster', 'query'));
    await expect(answer).rejects.toBeInstanceOf(Unreachable);
    const again = await logIn({ ...login, previous: stream });
    expect(again.stream).toBe(stream);
    await settle();
    stream.start(opened.listener);
    await settle();
    expect(server.received.map((el) => attr(el, 'id'))).toEqual(['a', 'b', 'c']);
    expect(acked).toEqual(['a', 'b', 'c']);
    expect(got.map((el) => attr(el, 'id'))).toEqual(['d']);
    await stream.request('get', '', x('jabber:iq:roster', 'query'));
  });

  it('keeps its queries while it sleeps', async () => {
    const { server, opened, login } = await begin();
    server.silent = true;
    const answer = opened.stream.request('get', '', x('jabber:iq:roster', 'query'));
    await settle();
    server.silent = false;
    server.cut();
    await settle();
    await logIn({ ...login, previous: opened.stream });
    opened.stream.start(opened.listener);
    expect(child(await answer, 'jabber:iq:roster', 'query')).toBeDefined();
  });

  it('counts what was begun before the connection was lost, and that only', async () => {
    const { server, login } = await begin();
    const { stream } = await logIn(login);
    const handled: string[] = [];
    let free = (): void => {};
    const gate = new Promise<void>((done) => {
      free = done;
    });
    const listener = {
      async stanza(el: Element) {
        await gate;
        handled.push(attr(el, 'id'));
      },
      ended() {},
    };
    stream.start(listener);
    const connection = [...server.connections].at(-1);
    for (const id of ['1', '2', '3']) connection?.deliver(x('jabber:client', 'message', { id }));
    await settle();
    server.cut();
    const again = logIn({ ...login, previous: stream }); // waits for the first one
    await settle();
    free();
    await again;
    await settle();
    stream.start(listener);
    await settle();
    expect(handled).toEqual(['1', '2', '3']);
  });

  it('is brought back from what was written down, even if that is not the latest', async () => {
    const { server, opened, login } = await begin();
    server.lagging = true;
    opened.stream.send(message('a'), () => {}, 'key a');
    await settle();
    const saved = opened.stream.saved();
    expect(saved.unacked.map((u) => u.key)).toEqual(['key a']);
    opened.stream.send(message('b'));
    opened.stream.send(message('c'));
    await settle();
    server.cut();
    server.lagging = false;
    const acked: string[] = [];
    const back = Stream.restore(structuredClone(saved), (key) => acked.push(key));
    expect((await logIn({ ...login, previous: back })).stream).toBe(back);
    back.start({ stanza() {}, ended() {} });
    expect(acked).toEqual(['key a']);
    expect(back.flying).toEqual([]);
    let done = false;
    back.send(message('d'), () => void (done = true));
    await vi.waitFor(() => expect(done).toBe(true));
    expect(server.received.map((el) => attr(el, 'id'))).toEqual(['a', 'b', 'c', 'd']);
  });

  it('that is not known any more is lost, and a new one begins in the same log-in', async () => {
    const { server, opened, login } = await begin();
    server.silent = true;
    const answer = opened.stream.request('get', '', x('jabber:iq:roster', 'query'));
    const failed = expect(answer).rejects.toBeInstanceOf(Unreachable);
    await settle();
    server.silent = false;
    server.cut();
    server.forgetSessions();
    const again = await logIn({ ...login, previous: opened.stream, inactive: true });
    expect(again.stream).not.toBe(opened.stream);
    expect(again).toMatchObject({ copies: true, csi: true, active: false, newest: '' });
    expect(opened.stream.asleep).toBe(false);
    await failed;
  });

  it('is told of how much of it the server had before it forgot it', () => {
    const acked: string[] = [];
    const unacked = ['a', 'b', 'c'].map((key) => ({ xml: `<message xmlns="jabber:client" id="${key}"/>`, key }));
    const stream = Stream.restore({ id: 's', jid: 'juliet@kith.example/x', maxBytes: 1000, h: 0, acked: 4, unacked }, (key) => acked.push(key));
    stream.lost(6);
    expect(acked).toEqual(['a', 'b']);
    expect(stream.asleep).toBe(false);
  });

  it('says how far it is only once that is written down', async () => {
    const { server, login } = await begin();
    const { stream } = await logIn(login);
    let written = -1;
    let free = (): void => {};
    const disk = new Promise<void>((done) => {
      free = done;
    });
    stream.start({
      stanza() {},
      ended() {},
      async acking() {
        await disk;
        written = stream.saved().h;
      },
    });
    const connection = [...server.connections].at(-1);
    connection?.deliver(x('jabber:client', 'message'));
    connection?.write(x('urn:xmpp:sm:3', 'r'));
    await settle();
    expect(connection?.acked).toBe(0);
    free();
    await settle();
    expect([written, connection?.acked]).toEqual([1, 1]);
  });

  it('takes an older count of the server for a mistake', () => {
    const c = new Counter(5, 0, [{ el: message('a'), key: '', acked() {} }]);
    expect(() => c.ackAtLeast(4)).toThrow(TooHigh);
    expect(() => c.ackAtLeast(Number.NaN)).toThrow(TooHigh);
    c.ackAtLeast(9);
    expect([c.unacked.length, c.lastAck]).toEqual([0, 9]);
  });
});
