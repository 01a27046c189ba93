// SPDX-License-Identifier: Apache-2.0

// The beginning: which server this is, what its sign-up page handed over, and the app.
import { KithApp, type Code } from '../core/app';
import type { App } from '../core/view';
import { Profile } from '../store/profile';
import { browserEnv, type ServerInfo } from './browser';

/** What createApp found: the app, and the version of the server it came from. */
export interface Booted {
  readonly app: App;
  readonly version: string;
  readonly arrived: boolean; // from the sign-up page
  readonly opened: Promise<void>; // rejects where what is kept of the account cannot be opened
}

/**
 * createApp makes the app of this page. It needs no network where the server was seen before; logging in goes on
 * behind, with session at 'loading'. Rejects where the browser keeps nothing (no IndexedDB).
 */
export async function createApp(): Promise<Booted> {
  const code = takeCode(location, history, document);
  const profile = await Profile.open();
  const info = await serverInfo(profile);
  const app = new KithApp(browserEnv(info), profile);
  const opened = app.start(code);
  app.session.subscribe((session) => {
    // Ask the browser not to clear what is kept; it may say no.
    if (session.kind === 'in') void navigator.storage?.persist?.();
  });
  return { app, version: info.version, arrived: code !== undefined, opened };
}

/**
 * The one-time code of a sign-up, #login=<address>&code=<code>&arrival=<mark>; it leaves the address bar and the history
 * at once. It counts only in the browser that signed up, which has the mark in a cookie: whoever made an account could
 * else lead somebody into it, who would write there without knowing whose it is.
 */
export function takeCode(
  at: Pick<Location, 'hash' | 'pathname' | 'search'>, past: Pick<History, 'replaceState'>, jar: { cookie: string },
): Code | undefined {
  const values = new URLSearchParams(at.hash.slice(1));
  const address = values.get('login') ?? '';
  const code = values.get('code') ?? '';
  if (code === '') return undefined;
  past.replaceState(null, '', at.pathname + at.search);
  const arrival = values.get('arrival') ?? '';
  const ours = arrival !== '' && jar.cookie.split('; ').includes(`${ARRIVAL}=${arrival}`);
  if (ours) jar.cookie = `${ARRIVAL}=; path=/; max-age=0; samesite=strict`;
  return address === '' || !ours ? undefined : { address, code };
}

const ARRIVAL = 'kith_arrival'; // the cookie's name; see the server's internal/portal

async function serverInfo(profile: Profile): Promise<ServerInfo> {
  const kept = await profile.get('server');
  const asked = ask().then(async (info) => {
    if (info) await profile.set('server', info);
    return info;
  });
  return kept ?? (await asked) ?? { domain: location.hostname, name: '', version: '' };
}

async function ask(): Promise<ServerInfo | undefined> {
  try {
    const answer = await fetch('/app.json', { signal: AbortSignal.timeout(10_000) });
    const info: unknown = await answer.json();
    return isServerInfo(info) ? { domain: info.domain, name: info.name, version: info.version } : undefined;
  } catch {
    return undefined; // without a network
  }
}

function isServerInfo(v: unknown): v is ServerInfo {
  return (
    typeof v === 'object' && v !== null &&
    'domain' in v && typeof v.domain === 'string' && v.domain !== '' &&
    'name' in v && typeof v.name === 'string' &&
    'version' in v && typeof v.version === 'string'
  );
}
