// SPDX-License-Identifier: Apache-2.0

// The tabs of one browser work on one account together. One of them, the leader, has the connection; the
// others read the same database, ask the leader for what needs the connection, and are told what changed.
// When the leader goes, the browser gives its lock to another tab.
import type { Channel } from './env';
import type { RoomCommands } from './commands';
import { type CatchUp, CommandError, type Connection, type Reason, type Show } from './view';

/** Which parts of the database were changed. */
export interface Change {
  readonly chat?: string; // its messages, and its line in the list
  readonly people?: true;
  readonly requests?: true;
  readonly outbox?: true; // something waits to be sent
  readonly read?: true; // the chat was read
  readonly faces?: true; // names and pictures that people have chosen
  readonly kept?: true; // single values of the account
}

/** What the leader knows and the database does not. */
export interface Live {
  readonly connection: Connection;
  readonly typing: readonly string[];
  readonly presence: Readonly<Record<string, { readonly show: Show; readonly status: string }>>;
  readonly catchUp?: CatchUp | undefined;
  readonly uploads: Readonly<Record<string, number>>; // share that is done, by key of the message
}

export const NOTHING: Live = { connection: 'connecting', typing: [], presence: {}, uploads: {} };

/** What a tab looks at: chat is '' for none. */
export interface Look {
  readonly chat: string;
  readonly visible: boolean;
}

/** The commands about contacts, with their arguments as plain values. */
export interface ContactCommands {
  addContact(address: string, name: string, token: string): Promise<void>;
  answer(address: string, accept: boolean): Promise<void>;
  rename(address: string, name: string): Promise<void>;
  remove(address: string): Promise<void>;
  invite(): Promise<{ url: string; qr: string; expires: number }>;
}

/** All commands that need the connection. */
export interface Commands extends RoomCommands, ContactCommands {
  logOut(): Promise<void>;
  changePassword(current: string, next: string): Promise<void>;
  reconnect(): Promise<void>;
  typing(chat: string, now: boolean): Promise<void>;
  /** Fetches more of a chat from a gap. */
  fill(chat: string, gap: string): Promise<void>;
  holdCatchUp(hold: boolean): Promise<void>;
}

type Command = keyof Commands;

type Wire =
  | { t: 'session'; address: string; reason?: string } // who is signed in now, '' for nobody
  | { t: 'change'; account: string; change: Change }
  | { t: 'live'; account: string; live: Live }
  | { t: 'hello'; account: string } // a new tab, or a new leader: tell me
  | { t: 'look'; account: string; tab: string; look: Look }
  | { t: 'run'; account: string; id: string; command: Command; args: readonly unknown[] }
  | { t: 'done'; id: string; value?: unknown; error?: Reason };

export interface Listener {
  session(address: string, reason: string | undefined): void;
  change(change: Change): void;
  live(live: Live): void;
  /** Another tab came, or a new leader asks. */
  hello(): void;
  look(tab: string, look: Look): void;
  /** The leader's work; undefined in a tab that is not the leader. */
  run(command: Command, args: readonly unknown[]): Promise<unknown> | undefined;
}

const ANSWER = 45_000; // ms: longer than any command takes

export class Tabs {
  readonly id = crypto.randomUUID();
  account = ''; // who is signed in
  private readonly waiting = new Map<string, { command: Command; args: readonly unknown[]; done: (m: { value?: unknown; error?: Reason }) => void }>();

  constructor(private readonly channel: Channel, private readonly listener: Listener) {
    channel.listen((m) => this.receive(m as Wire)); // only our own tabs speak on it
  }

  session(address: string, reason?: string): void {
    this.post(reason === undefined ? { t: 'session', address } : { t: 'session', address, reason });
  }

  change(change: Change): void {
    this.post({ t: 'change', account: this.account, change });
  }

  live(live: Live): void {
    this.post({ t: 'live', account: this.account, live });
  }

  hello(): void {
    this.post({ t: 'hello', account: this.account });
  }

  look(look: Look): void {
    this.post({ t: 'look', account: this.account, tab: this.id, look });
  }

  /** Has the leader do something, here or in another tab. Rejects with a CommandError. */
  async run<C extends Command>(command: C, ...args: Parameters<Commands[C]>): Promise<Awaited<ReturnType<Commands[C]>>> {
    const here = this.listener.run(command, args);
    if (here) return (await here) as Awaited<ReturnType<Commands[C]>>;
    const id = crypto.randomUUID();
    const answer = await new Promise<{ value?: unknown; error?: Reason }>((done) => {
      const timer = setTimeout(() => finish({ error: 'timeout' }), ANSWER);
      const finish = (m: { value?: unknown; error?: Reason }): void => {
        clearTimeout(timer);
        this.waiting.delete(id);
        done(m);
      };
      this.waiting.set(id, { command, args, done: finish });
      this.post({ t: 'run', account: this.account, id, command, args });
    });
    if (answer.error) throw new CommandError(answer.error);
    return answer.value as Awaited<ReturnType<Commands[C]>>;
  }

  /** This tab leads from now on: what the old leader left unanswered is done here. */
  lead(): void {
    for (const w of this.waiting.values()) {
      void answerOf(this.listener.run(w.command, w.args)).then((m) => w.done(m));
    }
  }

  private post(message: Wire): void {
    this.channel.post(message);
  }

  private receive(m: Wire): void {
    if (m.t === 'session') return this.listener.session(m.address, m.reason);
    if (m.t === 'done') return this.waiting.get(m.id)?.done(m);
    if (m.account !== this.account) return;
    switch (m.t) {
      case 'change': return this.listener.change(m.change);
      case 'live': return this.listener.live(m.live);
      case 'hello': return this.listener.hello();
      case 'look': return this.listener.look(m.tab, m.look);
      case 'run': {
        const result = this.listener.run(m.command, m.args);
        if (result) void answerOf(result).then((answer) => this.post({ t: 'done', id: m.id, ...answer }));
      }
    }
  }
}

async function answerOf(result: Promise<unknown> | undefined): Promise<{ value?: unknown; error?: Reason }> {
  try {
    return { value: await result };
  } catch (e) {
    return { error: e instanceof CommandError ? e.reason : 'server' };
  }
}
