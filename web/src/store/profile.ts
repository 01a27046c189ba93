// SPDX-License-Identifier: Apache-2.0

import { type DBSchema, type IDBPDatabase, openDB } from 'idb';

/** What belongs to the browser profile and not to an account. */
export interface ProfileValues {
  readonly client: string; // UUID v4 of this installation, the same for all accounts (XEP-0388 §2.3)
  readonly account: string; // who is signed in, '' for nobody
  readonly last: string; // who was signed in last, '' for nobody; their history may still be here
  readonly server: { readonly domain: string; readonly name: string; readonly version: string };
}

interface Schema extends DBSchema {
  profile: { key: keyof ProfileValues; value: ProfileValues[keyof ProfileValues] };
}

/** The small database of the browser profile; several tabs may use it at once. */
export class Profile {
  private constructor(private readonly db: IDBPDatabase<Schema>) {}

  static async open(): Promise<Profile> {
    const db = await openDB<Schema>('kith', 1, { upgrade: (d) => void d.createObjectStore('profile') });
    return new Profile(db);
  }

  async get<K extends keyof ProfileValues>(key: K): Promise<ProfileValues[K] | undefined> {
    return (await this.db.get('profile', key)) as ProfileValues[K] | undefined;
  }

  async set<K extends keyof ProfileValues>(key: K, value: ProfileValues[K]): Promise<void> {
    await this.db.put('profile', value, key);
  }

  close(): void {
    this.db.close();
  }

  /** The id of this installation, made when it is first asked for. */
  async client(): Promise<string> {
    const tx = this.db.transaction('profile', 'readwrite');
    const old = (await tx.store.get('client')) as string | undefined;
    const id = old ?? crypto.randomUUID();
    if (old === undefined) await tx.store.put(id, 'client');
    await tx.done;
    return id;
  }
}
