// SPDX-License-Identifier: Apache-2.0

// People with a browser each: a Person is a browser profile of its own with one page. What the browser complains of
// (errors on the console, uncaught exceptions, anything against the Content-Security-Policy) is collected, and a test
// that does not expect it fails.
import axe from 'axe-core';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, type BrowserContext, chromium, type Locator, type Page } from 'playwright-core';
import { expect } from 'vitest';

const PHONE = { width: 390, height: 844 };
const DESK = { width: 1280, height: 800 };
const RULES = ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'];
const SHOTS = process.env['KITH_SCREENSHOTS'] ?? ''; // folder for pictures of each screen, '' for none

const LAUNCH = {
  executablePath: process.env['KITH_CHROMIUM'] || '/usr/bin/chromium',
  headless: true,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
};

export async function launch(): Promise<Browser> {
  return chromium.launch(LAUNCH);
}

const CONTEXT = {
  viewport: PHONE,
  locale: 'en-GB',
  colorScheme: 'light' as const,
  reducedMotion: 'reduce' as const, // a picture in the middle of a motion is of no use
  permissions: ['clipboard-read', 'clipboard-write', 'notifications'],
};

interface Violation {
  readonly id: string;
  readonly help: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
}

export class Person {
  page!: Page;
  private readonly problems: string[] = [];
  private expected: RegExp[] = [];

  private constructor(readonly context: BrowserContext, private readonly url: string) {}

  static async come(browser: Browser, url: string, options: { scripts?: boolean } = {}): Promise<Person> {
    const person = await Person.meet(await browser.newContext({ ...CONTEXT, javaScriptEnabled: options.scripts ?? true }), url);
    await person.open();
    return person;
  }

  /**
   * Somebody with a whole browser of their own, which keeps what it is told: only such a one shows notifications. prepare
   * is called before there is a page.
   */
  static async settle(url: string, prepare: (context: BrowserContext) => Promise<void>): Promise<Person> {
    const folder = await mkdtemp(join(tmpdir(), 'kith-e2e-browser-'));
    const context = await chromium.launchPersistentContext(folder, { ...LAUNCH, ...CONTEXT });
    context.on('close', () => void rm(folder, { recursive: true, force: true }).catch(() => {}));
    const person = await Person.meet(context, url);
    await prepare(context);
    await person.open();
    return person;
  }

  private static async meet(context: BrowserContext, url: string): Promise<Person> {
    context.setDefaultTimeout(10_000);
    const person = new Person(context, url);
    context.on('console', (m) => {
      if (m.type() === 'error' || m.type() === 'warning') person.complain(`console.${m.type()}: ${m.text()} (${m.location().url})`);
    });
    context.on('weberror', (e) => person.complain(`uncaught: ${e.error().stack ?? e.error().message}`));
    await context.addInitScript(() => {
      addEventListener('securitypolicyviolation', (e) => console.error(`policy: ${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber}`));
    });
    return person;
  }

  /** A new page in the same browser, at an address or empty. */
  async open(path = ''): Promise<void> {
    this.page = await this.context.newPage();
    if (path !== '') await this.go(path);
  }

  /** Goes to a path of the server, or to a whole address. */
  async go(path: string): Promise<void> {
    await this.page.goto(path.startsWith('/') ? this.url + path : path);
  }

  button(name: string | RegExp): Locator {
    return this.page.getByRole('button', { name, exact: typeof name === 'string' });
  }

  link(name: string | RegExp): Locator {
    return this.page.getByRole('link', { name, exact: typeof name === 'string' });
  }

  field(label: string | RegExp): Locator {
    return this.page.getByLabel(label, { exact: typeof label === 'string' });
  }

  text(text: string | RegExp): Locator {
    return this.page.getByText(text, { exact: typeof text === 'string' });
  }

  get dialog(): Locator {
    return this.page.getByRole('dialog');
  }

  /** What the browser may complain of from now on, since the test provokes it; without an argument: nothing again. */
  provoke(...what: RegExp[]): void {
    this.expected = what;
  }

  private complain(what: string): void {
    if (!this.expected.some((re) => re.test(what))) this.problems.push(what);
  }

  /** What the browser says when it has a network again. */
  async wake(): Promise<void> {
    await this.page.evaluate(() => void dispatchEvent(new Event('online')));
  }

  /** Fails if the browser complained of anything that was not provoked. */
  content(): void {
    expect(this.problems.splice(0)).toEqual([]);
  }

  /**
   * Examines the screen by the rules of WCAG 2.2 AA, on a phone and on a desk, light and dark, and takes its pictures
   * where those are wanted. Without pictures two of the four have to do.
   */
  async inspect(name: string): Promise<void> {
    const before = this.page.viewportSize() ?? PHONE;
    for (const [size, viewport] of [['phone', PHONE], ['desk', DESK]] as const) {
      for (const colorScheme of ['light', 'dark'] as const) {
        if (SHOTS === '' && (size === 'phone') !== (colorScheme === 'light')) continue;
        await this.page.setViewportSize(viewport);
        await this.page.emulateMedia({ colorScheme });
        await settled(this.page);
        if (SHOTS !== '') await this.page.screenshot({ path: `${SHOTS}/${name}-${size}-${colorScheme}.png`, animations: 'disabled' });
        expect(await this.axe(), `${name}, ${size}, ${colorScheme}`).toEqual([]);
      }
    }
    await this.page.setViewportSize(before);
    await this.page.emulateMedia({ colorScheme: 'light' });
    await settled(this.page);
  }

  /** Takes a picture as it is, where no scripts can examine it. */
  async picture(name: string): Promise<void> {
    if (SHOTS !== '') await this.page.screenshot({ path: `${SHOTS}/${name}.png` });
  }

  private async axe(): Promise<string[]> {
    // By the debugger and not by a script element, which the Content-Security-Policy would refuse.
    if (await this.page.evaluate(`typeof axe === 'undefined'`)) await this.page.evaluate(axe.source);
    const violations = (await this.page.evaluate(
      `axe.run(document, { runOnly: ${JSON.stringify(RULES)}, resultTypes: ['violations'] }).then((r) => r.violations)`,
    )) as Violation[];
    return violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${v.help}: ${n.html}: ${n.failureSummary ?? ''}`));
  }

  async leave(): Promise<void> {
    await this.context.close();
  }
}

// Two frames after a change of size or colours, all of it is drawn.
async function settled(page: Page): Promise<void> {
  await page.evaluate(() => new Promise<void>((done) => requestAnimationFrame(() => requestAnimationFrame(() => done()))));
}
