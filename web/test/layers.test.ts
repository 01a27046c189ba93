// SPDX-License-Identifier: Apache-2.0

// Holds the rooms of the app apart: which may import which, which packages they may use, and that what runs
// in a worker touches no document.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { describe, expect, it } from 'vitest';

const SRC = join(import.meta.dirname, '../src');

/** For each room, ground first: the rooms and packages it may import. core/view.ts is a room of its own. */
const MAY: Readonly<Record<string, readonly string[]>> = {
  xml: [],
  stream: ['xml'],
  xmpp: ['xml'],
  store: ['idb'],
  'core/view': ['@preact/signals'],
  core: ['xml', 'stream', 'xmpp', 'store', 'core/view', '@preact/signals'],
  sw: ['xml', 'xmpp', 'store', 'i18n'],
  i18n: [],
  ui: ['core/view', 'i18n', 'preact', 'preact/hooks', '@preact/signals'],
  boot: ['core', 'core/view', 'store', 'stream', 'xmpp', 'i18n'],
  main: ['boot', 'ui', 'i18n'],
};

const NO_DOM = ['xml', 'stream', 'xmpp', 'store', 'core'];
const DOM = /\b(?:document|window|localStorage|sessionStorage|DOMParser|XMLSerializer)\b\s*[.(]/;

function roomOf(file: string): string {
  if (/^core\/view(?:\.ts)?$/.test(file)) return 'core/view';
  const [top = ''] = file.split('/');
  return top.replace(/\.tsx?$/, '');
}

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((f) => /\.tsx?$/.test(f) && !/\.test\.tsx?$/.test(f) && !f.includes('testing/'));
const code = (file: string): string => readFileSync(join(SRC, file), 'utf8').replace(/^\s*(?:\/\/|\*|\/\*).*$/gm, '');

function imports(file: string): string[] {
  return [...code(file).matchAll(/(?:^|\s)(?:import|export)\s[^'"]*?from\s*'([^']+)'|import\(\s*'([^']+)'\s*\)|^import\s*'([^']+)'/gm)].map((m) => m[1] ?? m[2] ?? m[3] ?? '');
}

describe('the rooms of the app', () => {
  it('are all known', () => {
    expect(files.map(roomOf).filter((r) => !(r in MAY))).toEqual([]);
  });

  it.each(files)('%s imports what its room may', (file) => {
    const room = roomOf(file);
    const wrong = imports(file).filter((target) => {
      if (/\.(?:css|json|svg)$/.test(target)) return false;
      const other = target.startsWith('.') ? roomOf(relative('.', normalize(join(dirname(file), target)))) : target;
      return other !== room && !MAY[room]?.includes(other);
    });
    expect(wrong).toEqual([]);
  });

  it.each(files.filter((f) => NO_DOM.includes(roomOf(f))))('%s touches no document', (file) => {
    expect(DOM.exec(code(file))?.[0]).toBeUndefined();
  });
});
