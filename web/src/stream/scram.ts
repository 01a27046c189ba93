// SPDX-License-Identifier: Apache-2.0

// SCRAM-SHA-1 and SCRAM-SHA-256 (RFC 5802, RFC 7677), the client's side, by WebCrypto. Browsers show no
// channel binding to pages, so there is no -PLUS here.
import { type Bytes, equal, fromBase64, hmac, toBase64, utf8 } from './bytes';
import { SaslError } from './errors';

export type ScramHash = 'SHA-1' | 'SHA-256';

// Enough to be a password hash, not so much that a hostile server could keep the device busy for minutes.
const MIN_ITERATIONS = 4096; // RFC 7677 §4
const MAX_ITERATIONS = 2_000_000;

/** One exchange: first() → challenge → final() → the server's last word → verify(). */
export class Scram {
  private readonly bare: string;
  private serverSignature: Bytes | undefined;

  constructor(
    private readonly hash: ScramHash,
    username: string,
    private readonly password: string,
    private readonly nonce: string = toBase64(crypto.getRandomValues(new Uint8Array(18))),
  ) {
    // RFC 5802 §5.1: "," and "=" in the name are written as =2C and =3D.
    const name = prepare(username).replace(/=/g, '=3D').replace(/,/g, '=2C');
    this.bare = `n=${name},r=${this.nonce}`;
  }

  first(): string {
    return `n,,${this.bare}`;
  }

  /** Answers the server's first message. Throws a SaslError where that is not one. */
  async final(challenge: string): Promise<string> {
    const f = fields(challenge);
    const nonce = f.get('r') ?? '';
    const iterations = Number(f.get('i'));
    // RFC 5802 §5.1: an extension we do not know must end it; the nonce must begin with ours.
    if (f.has('m') || !nonce.startsWith(this.nonce) || nonce === this.nonce) throw new SaslError('malformed-request');
    if (!Number.isInteger(iterations) || iterations < MIN_ITERATIONS || iterations > MAX_ITERATIONS) {
      throw new SaslError('malformed-request', 'iteration count');
    }
    const salted = await this.salted(decode(f.get('s')), iterations);
    const clientKey = await hmac(this.hash, salted, utf8('Client Key'));
    const storedKey = new Uint8Array(await crypto.subtle.digest(this.hash, clientKey));
    const withoutProof = `c=biws,r=${nonce}`;
    const authMessage = utf8(`${this.bare},${challenge},${withoutProof}`);
    const signature = await hmac(this.hash, storedKey, authMessage);
    const proof = clientKey.map((b, i) => b ^ (signature[i] ?? 0));
    const serverKey = await hmac(this.hash, salted, utf8('Server Key'));
    this.serverSignature = await hmac(this.hash, serverKey, authMessage);
    return `${withoutProof},p=${toBase64(proof)}`;
  }

  /** Whether the server has shown that it knows the password too. */
  verify(message: string): boolean {
    const v = fields(message).get('v');
    return v !== undefined && this.serverSignature !== undefined && equal(decode(v), this.serverSignature);
  }

  private async salted(salt: Bytes, iterations: number): Promise<Bytes> {
    const key = await crypto.subtle.importKey('raw', utf8(prepare(this.password)), 'PBKDF2', false, ['deriveBits']);
    const bits = this.hash === 'SHA-1' ? 160 : 256;
    return new Uint8Array(await crypto.subtle.deriveBits({ name: 'PBKDF2', hash: this.hash, salt, iterations }, key, bits));
  }
}

function fields(message: string): Map<string, string> {
  return new Map(message.split(',').map((part) => [part.slice(0, 1), part.slice(2)] as const));
}

function decode(s: string | undefined): Bytes {
  try {
    return fromBase64(s ?? '');
  } catch {
    throw new SaslError('malformed-request', 'base64');
  }
}

/** prepare is SASLprep as far as it changes anything: spaces, what is invisible, NFKC (RFC 4013 §2.1, §2.2). */
export function prepare(s: string): string {
  return s
    .replace(/[\u00A0\u1680\u2000-\u200B\u202F\u205F\u3000]/g, ' ')
    .replace(/[\u00AD\u034F\u1806\u180B-\u180D\u200C\u200D\u2060\uFE00-\uFE0F\uFEFF]/g, '')
    .normalize('NFKC');
}
