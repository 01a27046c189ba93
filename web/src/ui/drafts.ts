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

/** keep remembers what is written in a chat; '' forgets it. */
export function keep(chat: string, text: string): void {
  const { [chat]: _old, ...others } = all.value;
  all.value = text.trim() === '' ? others : { ...others, [chat]: text };
  write();
}

/** forget drops all drafts, when the account leaves this device. */
export function forget(): void {
  all.value = {};
  write();
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
    if (Object.keys(all.value).length === 0) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, JSON.stringify({ account, drafts: all.value }));
  } catch {
    // Full or forbidden: the drafts last until the page goes.
  }
}
