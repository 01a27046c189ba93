// SPDX-License-Identifier: Apache-2.0

// A message that is a file: its body is the file's address and nothing else, which XEP-0066 v1.5 says beside it. What
// the file is, stands in XEP-0446 v0.2.0 within XEP-0447 v0.3.1, so that its place can be kept before it is loaded.
import { child, childText, type Element, x } from '../xml/element';
import { NS_CHATSTATES } from './chatstates';
import { oneLine } from './nick';
import { NS_CLIENT } from './ns';
import { request } from './receipts';
import { originId } from './stanzaid';

const NS_OOB = 'jabber:x:oob';
const NS_SHARING = 'urn:xmpp:sfs:0';
const NS_FILE = 'urn:xmpp:file:metadata:0';
const NS_URL = 'http://jabber.org/protocol/url-data';

export interface SharedFile {
  readonly url: string; // '' while it is still on this device only
  readonly name: string;
  readonly type: string; // '' = not said
  readonly size: number; // bytes, 0 = not said
  readonly width: number; // pixels, 0 = not said or no picture
  readonly height: number;
}

/** fileOf reads the file that a message is; an empty object where it is a text. */
export function fileOf(message: Element): { readonly file?: SharedFile } {
  const body = childText(message, NS_CLIENT, 'body')?.trim() ?? '';
  const oob = child(message, NS_OOB, 'x');
  const sharing = child(message, NS_SHARING, 'file-sharing');
  const sources = sharing && child(sharing, NS_SHARING, 'sources');
  const source = sources && child(sources, NS_URL, 'url-data');
  const url = (oob && childText(oob, NS_OOB, 'url')?.trim()) || source?.attrs['target'] || '';
  // A body that says more than the address is a text.
  if (url !== body || !/^https?:\/\/[^\s]+$/i.test(url) || !URL.canParse(url)) return {};
  const file = sharing && child(sharing, NS_FILE, 'file');
  const said = (name: string): string => (file && childText(file, NS_FILE, name)?.trim()) ?? '';
  const name = fileName(said('name')) || nameIn(url);
  return {
    file: {
      url,
      name,
      type: /^[\w.+-]+\/[\w.+-]+$/.test(said('media-type')) ? said('media-type').toLowerCase() : typeOf(name),
      size: count(said('size')),
      width: count(said('width')),
      height: count(said('height')),
    },
  };
}

/** A message that is a file. friend: whether to tell that we are there (XEP-0085). */
export function fileMessage(to: string, id: string, file: SharedFile, friend: boolean): Element {
  const n = (name: string, value: number): Element | false => value > 0 && x(NS_FILE, name, {}, String(value));
  return x(
    NS_CLIENT,
    'message',
    { type: 'chat', to, id },
    x(NS_CLIENT, 'body', {}, file.url),
    x(NS_OOB, 'x', {}, x(NS_OOB, 'url', {}, file.url)),
    x(
      NS_SHARING,
      'file-sharing',
      { disposition: kindOf(file.type) === 'file' ? 'attachment' : 'inline' },
      x(
        NS_FILE,
        'file',
        {},
        x(NS_FILE, 'name', {}, file.name),
        file.type !== '' && x(NS_FILE, 'media-type', {}, file.type),
        n('size', file.size),
        n('width', file.width),
        n('height', file.height),
      ),
      x(NS_SHARING, 'sources', {}, x(NS_URL, 'url-data', { target: file.url })),
    ),
    x('urn:xmpp:fallback:0', 'fallback', { for: NS_SHARING }, x('urn:xmpp:fallback:0', 'body')), // XEP-0447 §3.1
    originId(id),
    request(),
    friend && x(NS_CHATSTATES, 'active'),
  );
}

/** What a file is on the screen. What a browser would run (SVG, HTML) is a file like any other. */
export function kindOf(type: string): 'picture' | 'video' | 'audio' | 'file' {
  if (/^image\/(?:png|jpeg|gif|webp|avif|bmp)$/.test(type)) return 'picture';
  if (/^video\/(?:mp4|webm|ogg|quicktime)$/.test(type)) return 'video';
  if (/^audio\/(?:mpeg|mp3|mp4|m4a|x-m4a|aac|ogg|opus|webm|wav|x-wav|flac)$/.test(type)) return 'audio';
  return 'file';
}

/** A name that can be shown and saved: one line, no path, nothing that hides its ending. */
export function fileName(name: string): string {
  return [...oneLine(name).replace(/[/\\]/g, '_')].slice(-200).join('');
}

function nameIn(url: string): string {
  const last = new URL(url).pathname.split('/').at(-1) ?? '';
  try {
    return fileName(decodeURIComponent(last)) || new URL(url).hostname;
  } catch {
    return fileName(last);
  }
}

const TYPES: Readonly<Record<string, string>> = {
  png: 'image/png', jpg: 'image/jpeg', jpeg: 'image/jpeg', gif: 'image/gif', webp: 'image/webp', avif: 'image/avif',
  mp4: 'video/mp4', webm: 'video/webm', mov: 'video/quicktime', ogv: 'video/ogg',
  mp3: 'audio/mpeg', m4a: 'audio/mp4', aac: 'audio/aac', ogg: 'audio/ogg', oga: 'audio/ogg', opus: 'audio/ogg', wav: 'audio/wav', flac: 'audio/flac',
  pdf: 'application/pdf',
};

function typeOf(name: string): string {
  return TYPES[/\.(\w{1,5})$/.exec(name)?.[1]?.toLowerCase() ?? ''] ?? '';
}

function count(s: string): number {
  return /^\d{1,15}$/.test(s) ? Number(s) : 0;
}
