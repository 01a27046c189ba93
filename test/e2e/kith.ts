// SPDX-License-Identifier: Apache-2.0

// The real server: each Kith is one process of the binary that KITH_BIN names, on a data folder and ports of its own.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export class Kith {
  readonly url: string; // of the web app
  tls = 0; // port for XMPP over TLS, on 127.0.0.1
  private process: ChildProcess | undefined;
  private said = '';

  private readonly env: NodeJS.ProcessEnv;

  private constructor(private readonly folder: string, web: number, more: NodeJS.ProcessEnv) {
    this.url = `http://localhost:${web}`;
    this.env = {
      ...Object.fromEntries(Object.entries(process.env).filter(([k]) => !k.startsWith('KITH_'))),
      KITH_DOMAIN: 'localhost',
      KITH_DATA: join(folder, 'data'),
      KITH_LISTEN_WEB: `127.0.0.1:${web}`,
      KITH_LISTEN_CLIENTS: '',
      KITH_LISTEN_CLIENTS_TLS: '127.0.0.1:0',
      KITH_ACCOUNTS_ITERATIONS: '4096',
      ...more,
    };
  }

  /** A server on an empty folder, not started yet; more: what else its configuration says, by the names of the environment. */
  static async make(more: NodeJS.ProcessEnv = {}): Promise<Kith> {
    return new Kith(await mkdtemp(join(tmpdir(), 'kith-e2e-')), await freePort(), more);
  }

  static async started(more: NodeJS.ProcessEnv = {}): Promise<Kith> {
    const kith = await Kith.make(more);
    await kith.start();
    return kith;
  }

  /** Starts it and waits until it can be reached. terminal: as if a person had started it in one. */
  async start(terminal = false): Promise<void> {
    const command: [string, string[]] = terminal ? ['script', ['-qec', `'${binary()}' serve`, '/dev/null']] : [binary(), ['serve']];
    const child = spawn(...command, { env: this.env, cwd: this.folder, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    this.process = child;
    process.once('exit', () => this.kill()); // where a test ends in the middle
    this.said = '';
    const gone = once(child, 'exit').then(() => {
      throw new Error(`the server ended before it could be reached:\n${this.said}`);
    });
    gone.catch(() => {}); // or it ends later, as it is told to
    const said = new Promise<void>((done) => {
      const hear = (data: Buffer): void => {
        this.said += data.toString();
        const tls = /127\.0\.0\.1:(\d+) \(TLS\)/.exec(this.said)?.[1];
        if (tls === undefined) return;
        this.tls = Number(tls);
        done();
      };
      child.stdout?.on('data', hear);
      child.stderr?.on('data', hear);
    });
    await Promise.race([said, gone]);
  }

  /** The file of the certificate that it has made for itself. */
  get certificate(): string {
    return join(this.folder, 'data', 'self-signed.crt');
  }

  /** The link for the first admin, which a server without one shows in a terminal. */
  async firstLink(): Promise<string> {
    for (;;) {
      const found = /http:\/\/localhost:\d+\/invite\/[\w-]+/.exec(this.said);
      if (found) return found[0];
      if (!this.process?.stdout) throw new Error('not started');
      await once(this.process.stdout, 'data');
    }
  }

  /** Ends it as an admin does, and waits for its end. */
  async stop(): Promise<void> {
    const child = this.process;
    this.process = undefined;
    if (!child?.pid || child.exitCode !== null) return;
    const gone = once(child, 'exit');
    process.kill(-child.pid, 'SIGTERM'); // its own group, which "script" shares with it
    await gone;
  }

  private kill(): void {
    const child = this.process;
    if (child?.pid && child.exitCode === null && child.signalCode === null) process.kill(-child.pid, 'SIGKILL');
  }

  /** Ends it and removes all it has kept. */
  async remove(): Promise<void> {
    await this.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Runs a command of the binary on this server, and returns what it prints. */
  async command(...args: string[]): Promise<string> {
    const { stdout } = await run(binary(), args, { env: this.env, cwd: this.folder });
    return stdout.trim();
  }
}

function binary(): string {
  const path = process.env['KITH_BIN'];
  if (!path) throw new Error('KITH_BIN has to name the binary: run "make e2e"');
  return path;
}

// One that was free a moment ago: links carry it, so it has to be known before the start.
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const at = server.address();
  server.close();
  return typeof at === 'object' && at !== null ? at.port : 0;
}
