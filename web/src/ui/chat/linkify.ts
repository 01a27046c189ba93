// SPDX-License-Identifier: Apache-2.0

// Finds the links in what somebody wrote. The result is a list of parts which the screen turns into text nodes
// and <a> elements, so nothing a stranger writes is ever markup. Only four schemes become links: what is not
// https, http, mailto or xmpp (javascript:, data:, file: …) stays text.

export type Part = { readonly text: string; readonly href?: string };

/** linkify splits text into parts, in order; the texts joined are the text that was given. */
export function linkify(text: string): Part[] {
  const parts: Part[] = [];
  let done = 0;
  for (const found of text.matchAll(CANDIDATE)) {
    if (found.index < done) continue;
    const raw = trimEnd(found[0]);
    const href = target(raw);
    if (href === undefined) continue;
    if (found.index > done) parts.push({ text: text.slice(done, found.index) });
    parts.push({ text: raw, href });
    done = found.index + raw.length;
  }
  if (done < text.length) parts.push({ text: text.slice(done) });
  return parts;
}

/** emojiOnly says whether text is one to three emoji and nothing else: these are shown big. */
export function emojiOnly(text: string): boolean {
  const bare = text.replace(/\s/gu, '');
  if (bare === '' || bare.length > 60 || !EMOJI.test(bare)) return false;
  return [...graphemes(bare)].length <= 3;
}

// A link starts at the begin of a word. What may be inside is wide; what ends it is cut off by trimEnd. What cannot be
// seen, or turns the direction of what follows, ends a link: it would look like one to another place.
const CANDIDATE =
  /(?<![\p{L}\p{N}/@.-])(?:https?:\/\/|mailto:|xmpp:|www\.)[^\s<>"“”«»‹›\u00AD\u061C\u200B\u200E\u200F\u202A-\u202E\u2060-\u206F\uFEFF]+/giu;
const EMOJI = /^(?:\p{RI}\p{RI}|[#*\d]\uFE0F?\u20E3|\p{Emoji_Presentation}|\p{Extended_Pictographic}|\p{Emoji_Modifier}|\u200D|\uFE0F|[\u{E0020}-\u{E007F}])+$/u;
const PAIRS: Readonly<Record<string, string>> = { ')': '(', ']': '[', '}': '{' };

// The full stop at the end of a sentence is no part of the link, a bracket only where it was opened in it.
function trimEnd(link: string): string {
  const counts = new Map<string, number>(); // of brackets up to end: kept, for a stranger may send a long row of them
  for (const c of link) if ('()[]{}'.includes(c)) counts.set(c, (counts.get(c) ?? 0) + 1);
  let end = link.length;
  while (end > 0) {
    const last = link.charAt(end - 1);
    if (/[.,:;!?'*_~…]/u.test(last)) {
      end--;
      continue;
    }
    const open = PAIRS[last];
    const closing = counts.get(last) ?? 0;
    if (open !== undefined && closing > (counts.get(open) ?? 0)) {
      counts.set(last, closing - 1);
      end--;
      continue;
    }
    break;
  }
  return link.slice(0, end);
}

function target(raw: string): string | undefined {
  const scheme = raw.slice(0, raw.indexOf(':')).toLowerCase();
  if (scheme === 'mailto' || scheme === 'xmpp') {
    return /^[a-z]+:[^@\s]+@[^@\s]+$/iu.test(raw) || (scheme === 'xmpp' && raw.length > 5) ? raw : undefined;
  }
  try {
    const url = new URL(/^www\./iu.test(raw) ? 'https://' + raw : raw);
    const web = url.protocol === 'https:' || url.protocol === 'http:';
    return web && url.hostname !== '' && (url.hostname.includes('.') || /:\/\//u.test(raw)) ? url.href : undefined;
  } catch {
    return undefined;
  }
}

function graphemes(text: string): Iterable<unknown> {
  return new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(text);
}
