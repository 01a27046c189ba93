// SPDX-License-Identifier: Apache-2.0

// A push service on loopback, and the browser's end of it: it checks what the server sends (RFC 8030, 8292), and opens it
// as a browser does (RFC 8291, RFC 8188), whose keys it has made.
import { createDecipheriv, createECDH, createPublicKey, hkdfSync, randomBytes, verify } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { BrowserContext } from 'playwright-core';

export interface Pushed {
  readonly text: string;
  readonly ttl: number; // s
  readonly urgency: string;
  readonly topic: string;
  readonly key: string; // by which the server proved itself
}

export class PushService {
  status = 201; // of the next answers
  private readonly ecdh = createECDH('prime256v1');
  private readonly auth = randomBytes(16);
  private readonly pushes: Pushed[] = [];
  private readonly wrong: string[] = [];
  private wake: () => void = () => {};

  private constructor(private readonly server: Server, private readonly url: string) {
    this.ecdh.generateKeys();
    server.on('request', (request, response) => {
      void this.take(request).then(
        () => void response.writeHead(this.status, { location: `${url}/m/1` }).end(),
        (e: unknown) => {
          this.wrong.push(String(e));
          response.writeHead(400).end();
        },
      ).finally(() => this.wake());
    });
  }

  static async started(): Promise<PushService> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const at = server.address();
    return new PushService(server, `http://127.0.0.1:${typeof at === 'object' && at !== null ? at.port : 0}`);
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  /** The next push; what was wrong with one is an error here. */
  async next(): Promise<Pushed> {
    for (;;) {
      if (this.wrong.length > 0) throw new Error(this.wrong.join('\n'));
      const push = this.pushes.shift();
      if (push) return push;
      await new Promise<void>((done) => (this.wake = done));
    }
  }

  get waiting(): number {
    return this.pushes.length;
  }

  /** Has the pages of a browser subscribe here, where there is no network to subscribe elsewhere. */
  async serve(context: BrowserContext): Promise<void> {
    const p256dh = this.ecdh.getPublicKey().toString('base64url');
    await context.addInitScript(
      ({ endpoint, keys }) => {
        if (!('PushManager' in globalThis)) return;
        const NAME = 'test.push';
        const made = (key: string): unknown => ({
          endpoint,
          options: { applicationServerKey: Uint8Array.from(atob(key.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0)).buffer, userVisibleOnly: true },
          toJSON: () => ({ endpoint, keys }),
          unsubscribe: async () => (localStorage.removeItem(NAME), true),
        });
        const subscribe = async (options: { applicationServerKey: string }): Promise<unknown> => {
          localStorage.setItem(NAME, options.applicationServerKey);
          return made(options.applicationServerKey);
        };
        const getSubscription = async (): Promise<unknown> => {
          const key = localStorage.getItem(NAME);
          return key === null ? null : made(key);
        };
        Object.assign(PushManager.prototype, { subscribe, getSubscription });
      },
      { endpoint: `${this.url}/push/${randomBytes(9).toString('base64url')}`, keys: { p256dh, auth: this.auth.toString('base64url') } },
    );
  }

  private async take(request: IncomingMessage): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const said = (name: string): string => {
      const value = request.headers[name];
      return typeof value === 'string' ? value : '';
    };
    if (request.method !== 'POST') throw new Error(`method ${request.method}`);
    if (said('content-encoding') !== 'aes128gcm') throw new Error(`content-encoding ${said('content-encoding')}`); // RFC 8291 §4
    if (!/^\d+$/.test(said('ttl'))) throw new Error(`ttl ${said('ttl')}`); // RFC 8030 §5.2
    const body = Buffer.concat(chunks);
    if (body.length > 4096) throw new Error(`${body.length} bytes`); // RFC 8030 §7.2
    this.pushes.push({
      text: this.open(body).toString(),
      ttl: Number(said('ttl')),
      urgency: said('urgency'),
      topic: said('topic'),
      key: proven(said('authorization'), this.url),
    });
  }

  /** RFC 8188 §2.1 and RFC 8291 §3.4: one record, the last. */
  private open(body: Buffer): Buffer {
    const salt = body.subarray(0, 16);
    const length = body.readUInt8(20);
    const theirs = body.subarray(21, 21 + length);
    const sealed = body.subarray(21 + length);
    const info = Buffer.concat([Buffer.from('WebPush: info\0'), this.ecdh.getPublicKey(), theirs]);
    const ikm = Buffer.from(hkdfSync('sha256', this.ecdh.computeSecret(theirs), this.auth, info, 32));
    const key = Buffer.from(hkdfSync('sha256', ikm, salt, 'Content-Encoding: aes128gcm\0', 16));
    const nonce = Buffer.from(hkdfSync('sha256', ikm, salt, 'Content-Encoding: nonce\0', 12));
    const cipher = createDecipheriv('aes-128-gcm', key, nonce);
    cipher.setAuthTag(sealed.subarray(-16));
    const plain = Buffer.concat([cipher.update(sealed.subarray(0, -16)), cipher.final()]);
    const end = plain.findLastIndex((b) => b !== 0);
    if (plain[end] !== 2) throw new Error('no delimiter of a last record');
    return plain.subarray(0, end);
  }
}

/** RFC 8292 §2 and §3: a token for this service, not for long, signed with the key that is told beside it. */
function proven(authorization: string, audience: string): string {
  const [, token = '', key = ''] = /^vapid t=([\w.-]+), ?k=([\w-]+)$/.exec(authorization) ?? [];
  const [head = '', claims = '', signature = ''] = token.split('.');
  const point = Buffer.from(key, 'base64url');
  const jwk = { kty: 'EC', crv: 'P-256', x: point.subarray(1, 33).toString('base64url'), y: point.subarray(33).toString('base64url') };
  const good = verify('sha256', Buffer.from(`${head}.${claims}`), { key: createPublicKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64url'));
  if (!good) throw new Error(`authorization ${authorization}`);
  const { aud, exp, sub } = JSON.parse(Buffer.from(claims, 'base64url').toString()) as { aud: string; exp: number; sub: string };
  if (aud !== audience) throw new Error(`aud ${aud}`);
  if (exp * 1000 > Date.now() + 86_400_000 || exp * 1000 < Date.now()) throw new Error(`exp ${exp}`);
  if (!/^(?:https:\/\/|mailto:)/.test(sub)) throw new Error(`sub ${sub}`);
  return key;
}
