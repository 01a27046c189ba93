// SPDX-License-Identifier: Apache-2.0

// Holds what a server says against what an example has it say.

/** Elements in which a server may say more than the example: lists of what it can do, and what was asked for besides. */
const lists = new Set(["features", "authentication", "inline", "fast", "sasl-channel-binding", "bind", "bound", "query"]);

/** The namespace of what stands in an example by itself. */
const content = "jabber:client";

const base64 = /^[A-Za-z0-9+/]+={0,2}$/;
const instant = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;

/** Values that are another each time, and what they must look like. */
const varies = {
  "stream/@id": /^.{8,}$/,
  challenge: base64,
  "additional-data": base64,
  salt: base64,
  "salt/@iterations": /^[1-9]\d{3,}$/,
  "token/@token": /^\S{16,}$/,
  "token/@expiry": instant,
  "enabled/@id": /^\S{16,}$/,
  "resumed/@h": /^\d+$/,
  "resumed/@previd": /^\S{16,}$/,
  "client/@id": /^\S{8,}$/,
  "first-seen": instant,
  "last-seen": instant,
};

/** Those of them by which something is spoken of later on. */
const references = new Set(["client/@id"]);

/**
 * Throws where got is not what want shows. But for paths, such as success/bound/metadata or fast/@tls-0rtt, where the
 * server says something else (differs) or something besides (more); those which were met are taken out of the sets. The
 * second one of a name among its like is clients/client[2]. What the server calls things by is put into but.names.
 */
export function compare(want, got, but, path = want.local) {
  if (but.differs.delete(path)) {
    if (got !== undefined && same(want, got)) throw new Error(`${path} does not differ`);
    return;
  }
  if (got === undefined) throw new Error(`${path} is missing`);
  if (!got.is(want.local, want.space || content))
    throw new Error(`${path}: the server says <${got.local} xmlns='${got.space}'>${got.text}`);
  attributes(want, got, but, path);
  children(want, got, but, path);
  if (want.elements.length === 0) value(want.local, want.text, got.text, path);
}

function attributes(want, got, but, path) {
  for (const [name, text] of want.attrs) {
    const at = `${path}/@${name}`;
    const is = got.attrs.get(name);
    if (but.differs.delete(at)) {
      if (is === text) throw new Error(`${at} does not differ`);
    } else if (is === undefined) throw new Error(`${at} is missing`);
    else {
      value(`${want.local}/@${name}`, text, is, at);
      if (references.has(`${want.local}/@${name}`)) called(text, is, but.names, at);
    }
  }
  for (const name of got.attrs.keys())
    if (!want.attrs.has(name) && !but.more.delete(`${path}/@${name}`))
      throw new Error(`${path}: the server says more: ${name}`);
}

/** Keeps what is called is by the server and want in the examples; two things have two names. */
function called(want, is, names, path) {
  for (const [other, taken] of names)
    if ((other === want) !== (taken === is)) throw new Error(`${path}: ${other} is called ${taken}, and ${want} ${is}`);
  names.set(want, is);
}

/** The children of want in their order; a list may have others between them, and in another order. */
function children(want, got, but, path) {
  if (want.local === "stream") return; // only its tag is there
  let rest = got.elements.filter((g) => !but.more.delete(`${path}/${g.local}`));
  const times = new Map();
  for (const w of want.elements) {
    const nth = (times.get(w.local) ?? 0) + 1;
    times.set(w.local, nth);
    const below = `${path}/${w.local}${lists.has(want.local) ? entry(w) : nth > 1 ? `[${nth}]` : ""}`;
    const i = lists.has(want.local) ? rest.findIndex((g) => like(w, g)) : 0;
    const other = but.differs.has(below) && !rest[i]?.is(w.local, w.space); // which stands for the next one then
    compare(w, other ? undefined : rest[i], but, below);
    if (!other) rest = rest.filter((_, k) => k !== i);
  }
  if (!lists.has(want.local) && rest.length > 0) throw new Error(`${path}: the server says more: <${rest[0].local}>`);
}

/** What a path has of an entry of a list behind its name. */
function entry(w) {
  const which = w.attrs.get("var") ?? w.text;
  return which && w.elements.length === 0 ? `=${which}` : "";
}

/** Whether g stands for w in a list. */
function like(w, g) {
  if (!g.is(w.local, w.space || content)) return false;
  for (const [name, text] of w.attrs) if (["var", "type"].includes(name) && g.attrs.get(name) !== text) return false;
  return w.elements.length > 0 || w.text === "" || w.text === g.text;
}

function same(want, got) {
  try {
    compare(want, got, { differs: new Set(), more: new Set(), names: new Map() });
    return true;
  } catch {
    return false;
  }
}

function value(kind, want, got, path) {
  if (kind === "authorization-identifier") {
    // The resource is the server's; what the client asked to be in it stands at its beginning.
    const [bare, resource] = want.split(/\/(.*)/);
    const [is, bound] = got.split(/\/(.*)/);
    const tag = resource?.split(".")[0];
    if (is === bare && (tag === undefined ? bound === undefined : bound?.startsWith(tag))) return;
    throw new Error(`${path}: the server says ${got}`);
  }
  if (kind in varies ? !varies[kind].test(got) : want !== got)
    throw new Error(`${path}: the server says ${JSON.stringify(got)}`);
}
