// SPDX-License-Identifier: Apache-2.0

// The client's side of SCRAM (RFC 5802), with and without channel binding, and of HT-* (tokens of XEP-0484), on what
// Node.js has of cryptography.

import { createHash, createHmac, pbkdf2Sync, randomUUID, timingSafeEqual } from "node:crypto";

const hmac = (hash, key, data) => createHmac(hash, key).update(data).digest();

/** What ties an exchange to the TLS connection (RFC 5929 §4, RFC 9266 §2), by its name. */
export function channelBinding(socket, type) {
  switch (type) {
    case "tls-exporter":
      return socket.exportKeyingMaterial(32, "EXPORTER-Channel-Binding", Buffer.alloc(0));
    case "tls-server-end-point":
      return createHash("sha256").update(socket.getPeerX509Certificate().raw).digest();
  }
  throw new Error(`unknown channel binding: ${type}`);
}

/** One exchange of SCRAM-HASH or SCRAM-HASH-PLUS. */
export class Scram {
  nonce = randomUUID();

  /** binding is {type, data} for -PLUS. */
  constructor(mechanism, user, password, binding) {
    this.hash = mechanism.replace("SCRAM-", "").replace("-PLUS", "").replace("-", "").toLowerCase(); // sha1, sha256 …
    this.password = password;
    this.plus = mechanism.endsWith("-PLUS");
    this.gs2 = this.plus ? `p=${binding.type},,` : "n,,";
    this.bound = this.plus ? binding.data : Buffer.alloc(0);
    this.bare = `n=${user},r=${this.nonce}`;
  }

  first() {
    return Buffer.from(this.gs2 + this.bare);
  }

  final(challenge) {
    const server = challenge.toString();
    const fields = new Map(server.split(",").map((f) => [f[0], f.slice(2)]));
    if (!fields.get("r").startsWith(this.nonce)) throw new Error("the server's nonce does not begin with ours");
    const salted = saltedPassword(this.hash, this.password, fields.get("s"), Number(fields.get("i")));
    const without = `c=${Buffer.concat([Buffer.from(this.gs2), this.bound]).toString("base64")},r=${fields.get("r")}`;
    const message = `${this.bare},${server},${without}`;
    const client = hmac(this.hash, salted, "Client Key");
    const signature = hmac(this.hash, createHash(this.hash).update(client).digest(), message);
    const proof = client.map((byte, i) => byte ^ signature[i]);
    this.signature = hmac(this.hash, hmac(this.hash, salted, "Server Key"), message);
    return Buffer.from(`${without},p=${Buffer.from(proof).toString("base64")}`);
  }

  /** Holds what came with success against what only a server with the account's keys can know. */
  check(additional) {
    const got = Buffer.from(additional.toString().replace(/^v=/, ""), "base64");
    if (got.length !== this.signature.length || !timingSafeEqual(got, this.signature))
      throw new Error("the server's signature is wrong");
  }
}

export function saltedPassword(hash, password, salt, iterations) {
  const length = createHash(hash).update("").digest().length;
  return pbkdf2Sync(password, Buffer.from(salt, "base64"), iterations, length, hash);
}

/** One exchange of HT-HASH-BINDING with a token. */
export class Token {
  constructor(mechanism, user, token, binding) {
    this.user = user;
    this.token = token;
    this.bound = binding ?? Buffer.alloc(0);
    if (!mechanism.startsWith("HT-SHA-256-")) throw new Error(`unknown mechanism: ${mechanism}`);
  }

  first() {
    const proof = hmac("sha256", this.token, Buffer.concat([Buffer.from("Initiator"), this.bound]));
    return Buffer.concat([Buffer.from(`${this.user}\0`), proof]);
  }

  check(additional) {
    const want = hmac("sha256", this.token, Buffer.concat([Buffer.from("Responder"), this.bound]));
    if (additional.length !== want.length || !timingSafeEqual(additional, want))
      throw new Error("the server's proof is wrong");
  }
}
