// SPDX-License-Identifier: Apache-2.0

// xmpp.js, the library: SASL2 with Bind 2, tokens, and streams that are resumed, over TLS and over the WebSocket.
//
//	node login.mjs SETTINGS
//
// prints a line of JSON for each check, as the plays in ../slixmpp do.

import { once } from "node:events";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const settings = JSON.parse(process.argv[2]);
const require = createRequire(new URL("../../../web/package.json", import.meta.url)); // where it is installed
const { client, xml } = await import(pathToFileURL(require.resolve("@xmpp/client")).href);

const { prefix, password, host } = settings;
const roads = {
  tls: `xmpps://${host}:${settings.clients_tls}`,
  websocket: settings.web.replace("http", "ws") + "/xmpp-websocket",
  starttls: `xmpp://${host}:${settings.clients}`,
};

function report(check, ok, why = "") {
  console.log(JSON.stringify({ check, ok, why }));
}

/** Somebody who has logged in over a road. Remembers what of it came and went. */
async function person(name, road, more = {}) {
  const p = client({ service: roads[road], domain: host, username: prefix + name, password, ...more });
  p.timeout = 10_000;
  p.reconnect.delay = 50;
  p.said = []; // what went over the line, both ways
  p.on("element", (el) => p.said.push(el));
  p.on("send", (el) => p.said.push(el));
  p.on("error", (err) => (p.problem = err));
  p.bodies = [];
  p.on("stanza", (st) => {
    if (st.is("message") && st.getChild("body")) {
      p.bodies.push(st.getChildText("body"));
      p.emit("body");
    }
  });
  p.address = await p.start();
  return p;
}

/** Breaks the connection; of a WebSocket all that can be done is to close it, without an end of the stream. */
function cut(p) {
  const line = p.socket.socket ?? p.socket;
  if (line.destroy) line.destroy();
  else line.close();
}

async function until(p, done) {
  const late = AbortSignal.timeout(15_000);
  while (!done()) await once(p, "body", { signal: late });
}

function said(p, test) {
  return p.said.some((el) => test(el));
}

async function logsIn(road) {
  const agent = xml("user-agent", { id: crypto.randomUUID() }, [xml("software", {}, "xmpp.js")]);
  let token;
  const credentials = async (authenticate, mechanisms, fast) => {
    if (fast) {
      fast.fetchToken = async () => token;
      fast.saveToken = async (t) => (token = t);
      fast.deleteToken = async () => (token = undefined);
    }
    await authenticate({ username: prefix + "ann", password, token: await fast?.fetch() }, mechanisms[0], agent);
  };
  const options = { username: undefined, password: undefined, credentials, resource: "xmpp.js" };
  const first = await person("ann", road, options);
  report(`${road}: log-in with Bind 2`, first.address.resource.startsWith("xmpp.js/"), String(first.address));
  report(`${road}: a token is given`, Boolean(token), JSON.stringify(token));
  const before = token?.token;
  await first.stop();
  const again = await person("ann", road, options);
  report(
    `${road}: log-in with the token`,
    said(again, (el) => el.is("authenticate") && el.attrs.mechanism === "HT-SHA-256-NONE") &&
      !said(again, (el) => el.is("failure")),
    `${before?.slice(0, 4)}`,
  );
  report(`${road}: the same address`, String(again.address) === String(first.address), String(again.address));
  await again.stop();
}

/** Its connection breaks under a chat: all comes, once, in order, and it is the same session. */
async function resumes(road) {
  const ann = await person("ann", road);
  const ben = await person("ben", road);
  await ann.send(xml("presence"));
  await ben.send(xml("presence"));
  const to = ben.address.toString();
  let sent = 0;
  const say = async () => {
    const n = sent++;
    await ann.send(xml("message", { to, type: "chat", id: `n${n}` }, xml("body", {}, String(n)))).catch(() => {}); // resent
  };
  for (let round = 0; round < 5; round++) {
    for (let i = 0; i < 4; i++) await say();
    const resumed = [once(ben.streamManagement, "resumed"), once(ann.streamManagement, "resumed")];
    cut(ben);
    await say();
    cut(ann); // nothing is said until it is back: the library would not keep it, though it may be sent
    await Promise.all(resumed);
  }
  await say();
  await until(ben, () => ben.bodies.includes(String(sent - 1)));
  const want = Array.from({ length: sent }, (_, i) => String(i));
  report(`${road}: chat over broken connections`, JSON.stringify(ben.bodies) === JSON.stringify(want), ben.bodies.join());
  report(`${road}: the session goes on`, String(ben.jid) === to, `${ben.jid}, was ${to}`);
  await ann.stop();
  await ben.stop();
}

try {
  for (const road of ["tls", "websocket"]) await logsIn(road);
  const plain = await person("ann", "starttls");
  report("starttls: log-in", plain.address.local === prefix + "ann", String(plain.address));
  await plain.stop();
  for (const road of ["tls", "websocket"]) await resumes(road);
} catch (err) {
  report("the play", false, err.stack);
}
process.exit(0);
