// SPDX-License-Identifier: Apache-2.0

import type { Store } from '../store/store';
import type { Stream } from '../stream/stream';
import type { Env } from './env';
import type { Change } from './tabs';
import type { Reason } from './view';

/** What a room of the leader finds around it. */
export interface Surroundings {
  readonly env: Env;
  readonly address: string; // whose account it is
  readonly client: string; // id of this installation
  readonly store: Store;
  changed(change: Change): void;
  /** Something changed that is not in the database. */
  report(): void;
  /** Runs with the stream; rejects with a CommandError. special: what conditions mean here. */
  query<T>(special: Readonly<Record<string, Reason>>, run: (stream: Stream) => Promise<T>): Promise<T>;
  /** Sends what waits, soon. */
  flush(): void;
  /** A message of ours cannot be sent. */
  failed(key: string, failure: string, retryAt?: number): Promise<void>;
}
