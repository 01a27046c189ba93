// SPDX-License-Identifier: Apache-2.0

// Another XMPP app, as small as it can be: TLS, SCRAM-SHA-256, bind, and then whatever a test wants to say. It reads the
// stream as text and looks for what it waits for.
import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import { Scram } from '../../web/src/stream/scram';

const encode = (s: string): string => Buffer.from(s).toString('base64');
const decode = (s: string): string => Buffer.from(s, 'base64').toString();

export class RawClient {
  private heard = '';

  private constructor(private readonly socket: TLSSocket) {
    socket.setEncoding('utf8');
    socket.on('data', (s: string) => {
      this.heard += s;
    });
  }

  static async logIn(port: number, name: string, password: string): Promise<RawClient> {
    const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    const c = new RawClient(socket);
    c.open();
    await c.hear(/<\/stream:features>/);
    const scram = new Scram('SHA-256', name, password);
    c.send(`<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="SCRAM-SHA-256">${encode(scram.first())}</auth>`);
    const challenge = await c.hear(/<challenge[^>]*>([^<]*)</);
    c.send(`<response xmlns="urn:ietf:params:xml:ns:xmpp-sasl">${encode(await scram.final(decode(challenge)))}</response>`);
    await c.hear(/<success/);
    c.open();
    await c.hear(/<\/stream:features>/);
    c.send('<iq type="set" id="bind"><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/></iq>');
    await c.hear(/<jid>([^<]*)</);
    return c;
  }

  private open(): void {
    this.heard = '';
    this.send('<?xml version="1.0"?><stream:stream xmlns="jabber:client" xmlns:stream="http://etherx.jabber.org/streams" to="localhost" version="1.0">');
  }

  send(xml: string): void {
    this.socket.write(xml);
  }

  /** Waits for something in what was not heard yet, and returns its first group. */
  async hear(what: RegExp): Promise<string> {
    for (;;) {
      const found = what.exec(this.heard);
      if (found) {
        this.heard = this.heard.slice(found.index + found[0].length);
        return found[1] ?? found[0];
      }
      if (this.socket.readyState !== 'open') throw new Error(`the server hung up before ${what.source}`);
      await Promise.race([once(this.socket, 'data'), once(this.socket, 'close')]);
    }
  }

  close(): void {
    this.socket.end('</stream:stream>');
  }
}
