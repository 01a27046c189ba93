// SPDX-License-Identifier: Apache-2.0

// What somebody wrote, as text nodes and links.
import { parse as parseRoute, type Route } from '../route';
import { follow } from '../kit/link';
import { linkify } from './linkify';

export function Body({ text }: { text: string }) {
  return (
    <span class="text" dir="auto">
      {linkify(text).map((part) => {
        if (part.href === undefined) return part.text;
        const to = inside(part.href);
        return (
          <a
            href={part.href}
            target="_blank"
            rel="noopener noreferrer"
            onClick={to === undefined ? undefined : (event) => follow(event, to)}
          >
            {part.text}
          </a>
        );
      })}
    </span>
  );
}

// An xmpp: address of a person (RFC 5122) opens the chat here and not in another app.
function inside(href: string): Route | undefined {
  const found = /^xmpp:([^?#/;]+@[^?#/;]+)/iu.exec(href);
  return found?.[1] === undefined ? undefined : parseRoute('/c/' + found[1].toLowerCase());
}
