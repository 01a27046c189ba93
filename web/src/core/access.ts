// SPDX-License-Identifier: Apache-2.0

// How this installation logs in, and the token by which it need not ask for the password again.
import type { Store } from '../store/store';
import { type Credential, invalidate, type LogIn } from '../stream/login';
import { bare, domain, local } from '../xmpp/jid';
import type { Env } from './env';

/** How this installation logs in. */
export function logInOptions(env: Env, address: string, client: string, credential: Credential): LogIn {
  return {
    url: env.url,
    dial: env.dial,
    name: local(address),
    domain: domain(bare(address)),
    credential,
    agent: { id: client, software: 'Kith', device: env.device },
    // A server that slows down guessing takes its time to answer.
    deadline: credential.kind === 'password' ? 25_000 : 10_000,
  };
}

/** Keeps the token of a log-in in place of the one before. */
export async function keepToken(store: Store, secret: string | undefined): Promise<void> {
  if (secret) await store.updateAccount((r) => ({ ...r, token: { secret, count: 0 } }));
}

/** Makes the server forget the token, if it can be reached. */
export async function forgetToken(env: Env, address: string, client: string, store: Store): Promise<void> {
  const token = (await store.account())?.token;
  if (!token) return;
  const credential = { kind: 'token', secret: token.secret, count: token.count + 1 } as const;
  try {
    await invalidate({ ...logInOptions(env, address, client, credential), credential, deadline: 5_000 });
  } catch {
    // It ends by itself, and this device forgets it now.
  }
}
