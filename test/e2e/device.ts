// SPDX-License-Identifier: Apache-2.0

// Somebody's device that is no browser: the library slixmpp in a process of its own, see device.py.
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Kith } from './kith';

const PROGRAM = fileURLToPath(new URL('device.py', import.meta.url));

/** Whether there is slixmpp here: KITH_PYTHON names a Python that has it. */
export const hasSlixmpp = (process.env['KITH_PYTHON'] ?? '') !== '';

export class Device {
  private readonly answers: AsyncIterator<string>;

  private constructor(private readonly child: ChildProcess) {
    if (!child.stdout) throw new Error('no output');
    this.answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  /** Logs in, and is there. */
  static async start(kith: Kith, name: string, password: string, resource: string): Promise<Device> {
    const settings = { host: 'localhost', clients: kith.tls, clients_tls: kith.tls, web: kith.url, ca: kith.certificate, password, prefix: '' };
    const device = new Device(
      spawn(process.env['KITH_PYTHON'] ?? '', [PROGRAM, JSON.stringify(settings)], {
        stdio: ['pipe', 'pipe', 'inherit'],
        env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
      }),
    );
    process.once('exit', () => device.end()); // where a test ends in the middle
    await device.do('start', name, resource);
    return device;
  }

  /** Does something, and returns what came of it; rejects where it could not be done. One thing at a time. */
  async do<T = unknown>(what: string, ...how: readonly (string | number)[]): Promise<T> {
    this.child.stdin?.write(`${JSON.stringify([what, ...how])}\n`);
    const { value, done } = await this.answers.next();
    if (done === true) throw new Error(`the device ended at ${what}`);
    const answer = JSON.parse(String(value)) as { ok?: T; wrong?: string };
    if (answer.wrong !== undefined) throw new Error(answer.wrong);
    return answer.ok as T;
  }

  end(): void {
    this.child.kill();
  }
}
