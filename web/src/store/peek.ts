// SPDX-License-Identifier: Apache-2.0

// What the service worker looks up of an account while no page is open: who somebody is, and what may be shown. It
// takes the database as it is, of whatever version, makes none, and writes nothing.
import { type IDBPDatabase, openDB } from 'idb';
import type { Schema } from './schema';

export class Peek {
  private constructor(private readonly db: IDBPDatabase<Schema>) {}

  /** undefined: nothing is kept of that account, or it cannot be read now. */
  static async open(address: string): Promise<Peek | undefined> {
    try {
      const db = await openDB<Schema>(`kith/${address}`, undefined, {
        upgrade: (_db, from, _to, tx) => {
          if (from !== 0) return;
          tx.done.catch(() => {});
          tx.abort(); // there is none: do not leave an empty one
        },
        blocking: (_current, _blocked, event) => (event.target as IDBDatabase).close(),
      });
      return new Peek(db);
    } catch {
      return undefined;
    }
  }

  close(): void {
    this.db.close();
  }

  /** What a contact goes by: what the person calls them, what they call themselves, the part before @. '' for a stranger. */
  async name(address: string): Promise<string> {
    const person = this.has('people') ? await this.db.get('people', address) : undefined;
    const face = this.has('faces') ? await this.db.get('faces', address) : undefined;
    return person ? person.name || face?.nick || address.replace(/@.*$/, '') : '';
  }

  async picture(address: string): Promise<Blob | undefined> {
    if (!this.has('faces') || !this.has('pictures')) return undefined;
    const hash = (await this.db.get('faces', address))?.hash ?? '';
    return hash === '' ? undefined : (await this.db.get('pictures', hash))?.blob;
  }

  /** Notifications shall not say who wrote what. */
  async discreet(): Promise<boolean> {
    return this.has('kept') && (await this.db.get('kept', 'discreet')) === true;
  }

  /** Messages nobody has looked at, as far as this device knows. */
  async unread(): Promise<number> {
    return (await this.db.getAll('chats')).reduce((n, c) => n + c.unread, 0);
  }

  private has(name: 'people' | 'faces' | 'pictures' | 'kept'): boolean {
    return this.db.objectStoreNames.contains(name);
  }
}
