// SPDX-License-Identifier: Apache-2.0

// What was begun to be written in each chat, kept on this device until it is sent.
import { signal, type ReadonlySignal } from '@preact/signals';

const KEY = 'kith.drafts';

type Drafts = Readonly<Record<string, string>>;
const all = signal<Drafts>({});
let account = '';

/** drafts by address of the chat. */
export const drafts: ReadonlySignal<Drafts> = all;

/** open reads the drafts of an account; those of another account that were kept here are dropped. */
export function open(address: string): void {
  account = address;
  all.value = read(address);
}

/** keep remembers what is written in a chat; '' forgets it. Nothing is kept while nobody is logged in. */
export function keep(chat: string, text: string): void {
  if (account === '') return;
  const { [chat]: _old, ...others } = all.value;
  all.value = text.trim() === '' ? others : { ...others, [chat]: text };
  write();
}

/** forget drops all drafts, when nobody is logged in any more. */
export function forget(): void {
  account = '';
  all.value = {};
  write();
}

/** follow takes over what other tabs keep. It returns what ends that. */
export function follow(): () => void {
  const read = (event: StorageEvent): void => {
    if (event.key === KEY && account !== '') open(account);
  };
  addEventListener('storage', read);
  return () => removeEventListener('storage', read);
}

function read(address: string): Drafts {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? 'null');
    if (typeof kept !== 'object' || kept === null || !('account' in kept) || kept.account !== address) return {};
    if (!('drafts' in kept) || typeof kept.drafts !== 'object' || kept.drafts === null) return {};
    return Object.fromEntries(Object.entries(kept.drafts).filter((e): e is [string, string] => typeof e[1] === 'string'));
  } catch {
    return {}; // Storage is forbidden or was written by something else.
  }
}

function write(): void {
  try {
    const kept = all.peek(); // also called by who must not follow it
    if (Object.keys(kept).length === 0) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, JSON.stringify({ account, drafts: kept }));
  } catch {
    // Full or forbidden: the drafts last until the page goes.
  }
}
