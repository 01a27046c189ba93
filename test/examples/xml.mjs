// SPDX-License-Identifier: Apache-2.0

// A small reader of XML streams for the client of these tests. It shares nothing with the server's parser or the app's,
// and believes that what it reads is well-formed; where it is not, it throws.

/** Says that the text ends in the middle of something. */
export class Incomplete extends Error {}

const entities = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

/** An element: its name and namespace, its attributes (those of xmlns left out), and its children, elements and strings. */
export class Element {
  constructor(prefix, local, parent) {
    this.prefix = prefix;
    this.local = local;
    this.parent = parent;
    this.bound = new Map(parent?.bound ?? [["xml", "http://www.w3.org/XML/1998/namespace"]]);
    this.attrs = new Map();
    this.children = [];
  }

  get space() {
    return this.bound.get(this.prefix) ?? "";
  }

  get elements() {
    return this.children.filter((c) => c instanceof Element);
  }

  /** Its text, without that of its children and without white space around it. */
  get text() {
    return this.children
      .filter((c) => typeof c === "string")
      .join("")
      .trim();
  }

  child(local, space) {
    return this.elements.find((e) => e.local === local && (space === undefined || e.space === space));
  }

  is(local, space) {
    return this.local === local && this.space === space;
  }
}

/** Reads XML out of a text that grows. */
export class Reader {
  text = "";
  at = 0;
  /** The element around what comes next: the stream's header, or none. */
  root = undefined;

  feed(more) {
    this.text = this.text.slice(this.at) + more;
    this.at = 0;
  }

  /** What comes next: {open}, {element} or {close}; undefined where it is not all there yet. */
  next() {
    const begin = this.at;
    try {
      return this.#item();
    } catch (err) {
      if (!(err instanceof Incomplete)) throw err;
      this.at = begin;
      return undefined;
    }
  }

  #item() {
    for (;;) {
      this.#space();
      if (this.#skips("<?")) this.#until("?>");
      else if (this.#skips("<!--")) this.#until("-->");
      else break;
    }
    if (this.#skips("</")) {
      this.#until(">");
      this.root = undefined;
      return { close: true };
    }
    const { element, empty } = this.#tag(this.root);
    if (element.is("stream", "http://etherx.jabber.org/streams")) {
      this.root = element;
      return { open: element };
    }
    if (!empty) this.#content(element);
    return { element };
  }

  #peek(n) {
    if (this.at + n > this.text.length) throw new Incomplete();
    return this.text.slice(this.at, this.at + n);
  }

  #skips(word) {
    if (this.text.length - this.at < word.length && word.startsWith(this.text.slice(this.at))) throw new Incomplete();
    if (!this.text.startsWith(word, this.at)) return false;
    this.at += word.length;
    return true;
  }

  #until(word) {
    const end = this.text.indexOf(word, this.at);
    if (end < 0) throw new Incomplete();
    const found = this.text.slice(this.at, end);
    this.at = end + word.length;
    return found;
  }

  #space() {
    while (/\s/.test(this.#peek(1))) this.at++;
  }

  #name() {
    const begin = this.at;
    while (!/[\s=/>]/.test(this.#peek(1))) this.at++;
    const [a, b] = this.text.slice(begin, this.at).split(":");
    return b === undefined ? ["", a] : [a, b];
  }

  #tag(parent) {
    if (this.#peek(1) !== "<") throw new Error(`no tag: ${this.text.slice(this.at, this.at + 40)}`);
    this.at++;
    const element = new Element(...this.#name(), parent);
    for (;;) {
      this.#space();
      if (this.#skips(">")) return { element, empty: false };
      if (this.#skips("/>")) return { element, empty: true };
      const [prefix, local] = this.#name();
      this.#space();
      if (!this.#skips("=")) throw new Error(`no value: ${local}`);
      this.#space();
      const quote = this.#peek(1);
      this.at++;
      const value = unescape(this.#until(quote));
      if (prefix === "xmlns") element.bound.set(local, value);
      else if (prefix === "" && local === "xmlns") element.bound.set("", value);
      else element.attrs.set(prefix ? `${prefix}:${local}` : local, value);
    }
  }

  #content(element) {
    for (;;) {
      const next = this.text.indexOf("<", this.at);
      if (next < 0) throw new Incomplete();
      if (next > this.at) element.children.push(unescape(this.text.slice(this.at, next)));
      this.at = next;
      if (this.#skips("<!--")) this.#until("-->");
      else if (this.#skips("</")) {
        this.#until(">");
        return;
      } else {
        const { element: child, empty } = this.#tag(element);
        element.children.push(child);
        if (!empty) this.#content(child);
      }
    }
  }
}

function unescape(s) {
  return s.replace(/&(#x?[0-9a-fA-F]+|\w+);/g, (whole, name) => {
    if (name.startsWith("#x")) return String.fromCodePoint(Number.parseInt(name.slice(2), 16));
    if (name.startsWith("#")) return String.fromCodePoint(Number(name.slice(1)));
    if (!(name in entities)) throw new Error(`no such entity: ${whole}`);
    return entities[name];
  });
}

/** Reads the elements of a text, without a header around them but where one is in it. */
export function elements(text) {
  const r = new Reader();
  r.root = new Element("", "", undefined);
  r.root.bound.set("stream", "http://etherx.jabber.org/streams");
  r.feed(text.trim() + " ");
  const found = [];
  for (let item = r.next(); item; item = r.next()) found.push(item);
  if (r.text.slice(r.at).trim()) throw new Error(`not all of it was read: ${r.text.slice(r.at)}`);
  return found;
}
