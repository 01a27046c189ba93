// SPDX-License-Identifier: Apache-2.0

// HT-SHA-256-NONE (draft-schmaus-kitten-sasl-ht-09): log in with a token in one round trip.
import { type Bytes, equal, hmac, utf8 } from './bytes';

export const HT = 'HT-SHA-256-NONE';

/** The initiator's message: the account's name, a zero, and the token's HMAC. */
export async function htInitial(name: string, token: string): Promise<Bytes> {
  const mac = await hmac('SHA-256', utf8(token), utf8('Initiator'));
  const id = utf8(name);
  const out = new Uint8Array(id.length + 1 + mac.length);
  out.set(id);
  out.set(mac, id.length + 1);
  return out;
}

/** Whether the server has shown that it knows the token too. */
export async function htVerify(token: string, answer: Uint8Array): Promise<boolean> {
  return equal(answer, await hmac('SHA-256', utf8(token), utf8('Responder')));
}
