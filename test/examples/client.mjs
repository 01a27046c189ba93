// SPDX-License-Identifier: Apache-2.0

// One connection of a client over direct TLS, as far as the examples need it: what it says is given, and what it has to
// compute is filled in.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import tls from "node:tls";
import { channelBinding, saltedPassword, Scram, Token } from "./sasl.mjs";
import { Reader } from "./xml.mjs";

const patience = 20_000; // milliseconds until the server has answered

export class Client {
  #reader = new Reader();
  #queue = [];
  #waiting = [];
  #over = undefined; // why nothing more comes

  /** account is {user, password, token, names}: the token of the last success, and what the server calls things. */
  static async connect({ host, port, domain, certificate }, account) {
    const socket = tls.connect({
      host,
      port,
      servername: domain,
      ALPNProtocols: ["xmpp-client"],
      ca: readFileSync(certificate),
    });
    await once(socket, "secureConnect");
    return new Client(socket, account);
  }

  constructor(socket, account) {
    this.socket = socket;
    this.account = account;
    socket.setEncoding("utf8");
    socket.on("data", (text) => this.#take(text));
    socket.on("error", (err) => this.#end(err));
    socket.on("close", () => this.#end(new Error("the server has closed the connection")));
  }

  #take(text) {
    this.#reader.feed(text);
    try {
      for (let item = this.#reader.next(); item; item = this.#reader.next()) this.#deliver(item);
    } catch (err) {
      this.#end(err);
      this.socket.destroy();
    }
  }

  #deliver(item) {
    const waiting = this.#waiting.shift();
    if (waiting) waiting.resolve(item);
    else this.#queue.push(item);
  }

  #end(err) {
    this.#over ??= err;
    for (const w of this.#waiting.splice(0)) w.reject(this.#over);
  }

  /** What the server says next. */
  async next() {
    if (this.#queue.length > 0) return this.#queue.shift();
    if (this.#over) throw this.#over;
    const { promise, resolve, reject } = Promise.withResolvers?.() ?? deferred();
    this.#waiting.push({ resolve, reject });
    const late = setTimeout(() => this.#end(new Error("the server says nothing")), patience);
    try {
      const item = await promise;
      this.#learn(item.element);
      return item;
    } finally {
      clearTimeout(late);
    }
  }

  /** Keeps what a later element of ours, or the check of the server's proof, is made of. */
  #learn(element) {
    switch (element?.local) {
      case "challenge":
        this.challenge = Buffer.from(element.text, "base64");
        break;
      case "task-data": {
        const salt = element.child("salt", "urn:xmpp:scram-upgrade:0");
        if (salt) this.salt = { salt: salt.text, iterations: Number(salt.attrs.get("iterations")) };
        break;
      }
      case "continue":
        this.task = element.child("tasks")?.child("task")?.text;
        this.#checkProof(element);
        break;
      case "success": {
        this.#checkProof(element);
        const token = element.child("token", "urn:xmpp:fast:0");
        if (token) this.account.token = token.attrs.get("token");
        const enabled = element.child("bound", "urn:xmpp:bind:0")?.child("enabled", "urn:xmpp:sm:3");
        if (enabled) this.account.stream = enabled.attrs.get("id");
        break;
      }
    }
  }

  #checkProof(element) {
    const proof = element.child("additional-data");
    if (this.exchange && !proof) throw new Error("the server has not shown that it knows the account");
    if (proof) this.exchange.check(Buffer.from(proof.text, "base64"));
    this.exchange = undefined;
  }

  /** Sends text as it is, but without comments, and with what has to be computed in its place. */
  say(text) {
    this.socket.write(this.#filled(text.replace(/<!--[^]*?-->/g, "")));
  }

  #filled(text) {
    const mechanism = /<authenticate\b[^>]*\bmechanism='([^']+)'/.exec(text)?.[1];
    if (mechanism) {
      const shown = /<initial-response>([^<]*)</.exec(text)?.[1] ?? "";
      this.exchange = this.#begin(mechanism, Buffer.from(shown, "base64").toString());
    }
    return text
      .replace(/(<initial-response>)[^<]*/, (_, tag) => tag + this.exchange.first().toString("base64"))
      .replace(/(<response\b[^>]*>)[^<]*/, (_, tag) => tag + this.exchange.final(this.challenge).toString("base64"))
      .replace(/previd=''/, () => `previd='${this.account.stream}'`)
      .replace(/(<hash\b[^>]*>)[^<]*/, (_, tag) => tag + this.#hash().toString("base64"))
      .replace(/(<revoke\b[^>]*\bid=")([^"]*)/, (_, tag, id) => tag + this.#named(id));
  }

  #named(id) {
    const is = this.account.names.get(id);
    if (is === undefined) throw new Error(`the server has named nothing that is ${id} in the examples`);
    return is;
  }

  /** shown is the first message of the example, which tells its channel binding. */
  #begin(mechanism, shown) {
    const { user, password, token } = this.account;
    if (mechanism.startsWith("SCRAM-")) {
      const type = /^p=([^,]+),/.exec(shown)?.[1] ?? "tls-exporter";
      return new Scram(mechanism, user, password, { type, data: channelBinding(this.socket, type) });
    }
    const type = { ENDP: "tls-server-end-point", EXPR: "tls-exporter" }[mechanism.slice("HT-SHA-256-".length)];
    return new Token(mechanism, user, token, type && channelBinding(this.socket, type));
  }

  #hash() {
    const hash = this.task.replace("UPGR-SCRAM-", "").replace("-", "").toLowerCase();
    return saltedPassword(hash, this.account.password, this.salt.salt, this.salt.iterations);
  }

  /** Ends the stream and waits for the server's end. */
  async close() {
    if (!this.#over) {
      this.socket.write("</stream:stream>");
      await once(this.socket, "close");
    }
  }

  cut() {
    this.socket.destroy();
  }
}

function deferred() {
  let resolve, reject;
  const promise = new Promise((a, b) => ([resolve, reject] = [a, b]));
  return { promise, resolve, reject };
}
