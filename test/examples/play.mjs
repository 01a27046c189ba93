// SPDX-License-Identifier: Apache-2.0

// Plays the examples of a specification against a server:
//
//	node play.mjs FILE
//
// with the server in KITH_SERVER, as JSON: host, port, domain, certificate, user, password, token. For each example it
// prints a line, "ok", "not ok" or "none", its title, and why. doc.go tells how a file is written.

import { readFileSync } from "node:fs";
import { Client } from "./client.mjs";
import { compare } from "./compare.mjs";
import { elements } from "./xml.mjs";

/** Reads a file: its examples, and its plays, which are steps of examples and of between. */
function read(text) {
  const file = { examples: new Map(), plays: [] };
  let step, part, play;
  for (const line of text.split("\n")) {
    const [, word, rest = ""] = /^% (\w+):? ?(.*)$/.exec(line) ?? [];
    switch (word) {
      case undefined:
        if (line.startsWith("%%")) break; // a comment
        if (step) step.text += line + "\n";
        else if (line.trim()) throw new Error(`nobody says this: ${line}`);
        break;
      case "count":
        file.count = Number(rest);
        break;
      case "example": {
        const [, n, title] = /^(\d+)\. ?(.*)$/.exec(rest);
        part = { name: `Example ${n}${title && ": " + title}`, steps: 0 };
        if (file.examples.has(Number(n))) part = file.examples.get(Number(n)); // it goes on
        else file.examples.set(Number(n), part);
        step = undefined;
        break;
      }
      case "none":
        part.none = rest;
        break;
      case "play":
        play = { name: rest, steps: [] };
        file.plays.push(play);
        part = step = undefined;
        break;
      case "between":
        part = step = undefined;
        break;
      case "client":
      case "server":
        step = { who: word, user: rest, text: "", part, differs: new Set(), more: new Set(), adds: "", reads: [] };
        play.steps.push(step);
        if (part) part.steps++;
        break;
      case "differs":
      case "more": // each with its reason
        step[word].add(/^(\S+): .+$/.exec(rest)[1]);
        break;
      case "adds":
        step.adds += /^(<.+>): .+$/.exec(rest)[1];
        break;
      case "reads":
        step.reads.push(/^`(.+)` as `(.*)`: .+$/.exec(rest).slice(1));
        break;
      case "cut":
        play.cut = true;
        break;
      default:
        throw new Error(`unknown word: ${word}`);
    }
  }
  return file;
}

/** Plays it; account(user) is who says what, "" the one whose examples they are. */
async function run(play, server, account) {
  const clients = new Map();
  try {
    for (const step of play.steps) {
      try {
        if (!clients.has(step.user)) clients.set(step.user, await Client.connect(server, account(step.user)));
        await take(clients.get(step.user), step);
      } catch (err) {
        (step.part ?? play).failed ??= err;
        throw err;
      }
    }
    if (!play.cut) for (const client of clients.values()) await client.close();
  } finally {
    for (const client of clients.values()) client.cut();
  }
}

async function take(client, { who, text: shown, differs, more, adds, reads }) {
  let text = shown;
  for (const [from, to] of reads) {
    if (!text.includes(from)) throw new Error(`what is to be read as ${to} is not there: ${from}`);
    text = text.replaceAll(from, to);
  }
  if (who === "client") {
    client.say(text.trim().replace(/(?=<\/authenticate>$)/, adds));
    return;
  }
  const exceptions = { differs: new Set(differs), more: new Set(more), names: client.account.names };
  for (const want of elements(text)) {
    const got = await client.next();
    compare(want.open ?? want.element, want.open ? got.open : got.element, exceptions);
  }
  const left = [...exceptions.differs, ...exceptions.more];
  if (left.length > 0) throw new Error(`what is said to be different is not: ${left.join(", ")}`);
}

const [, , name] = process.argv;
const server = JSON.parse(process.env.KITH_SERVER);
const file = read(readFileSync(name, "utf8"));
const { password, token } = server;
const accounts = new Map([["", { user: server.user, password, token, names: new Map() }]]);
const account = (user) => {
  if (!accounts.has(user)) accounts.set(user, { user, password, names: new Map() });
  return accounts.get(user);
};
for (const play of file.plays) {
  try {
    await run(play, server, account);
  } catch (err) {
    play.failed ??= err;
    for (const s of play.steps) if (s.part) s.part.broken ??= `the play "${play.name}" broke off`;
  }
}
for (let n = 1; n <= file.count; n++) {
  const e = file.examples.get(n);
  if (!e) console.log(`not ok\tExample ${n}\tthere is no play of it, and no reason why`);
  else if (e.none) console.log(`none\t${e.name}\t${e.none}`);
  else if (e.steps === 0) console.log(`not ok\t${e.name}\tnobody says anything in it`);
  else if (e.failed) console.log(`not ok\t${e.name}\t${e.failed.message}`);
  else if (e.broken) console.log(`not ok\t${e.name}\t${e.broken}`);
  else console.log(`ok\t${e.name}`);
}
for (const p of file.plays)
  if (p.failed) console.log(`not ok\tplay ${p.name}\t${p.failed.message.replace(/\s+/g, " ")}`);
  else console.log(`ok\tplay ${p.name}`);
