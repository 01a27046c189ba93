// SPDX-License-Identifier: Apache-2.0

// What a test of the screens needs: put them up, look for things as a person would, act, and wait until it settled.
import { act } from 'preact/test-utils';
import { vi } from 'vitest';
import { mount } from '../mount';
import type { FakeApp } from './fake';

export interface Screen {
  /** text of everything, in order. */
  text(): string;
  /** find returns the only element that fits, by selector and by a part of its label or text. */
  find<E extends HTMLElement = HTMLElement>(selector: string, label?: string): E;
  all(selector: string, label?: string): HTMLElement[];
  click(selector: string, label?: string): Promise<void>;
  type(selector: string, text: string): Promise<void>;
  key(selector: string, key: string, more?: KeyboardEventInit): Promise<void>;
  submit(selector?: string): Promise<void>;
  /** act changes something from outside and waits. */
  act(f: () => void | Promise<void>): Promise<void>;
  close(): void;
}

/** show puts the screens of app up at a path. */
export async function show(app: FakeApp, at = '/'): Promise<Screen> {
  history.replaceState(null, '', at);
  document.body.innerHTML = '<div id="app"></div>';
  const root = document.getElementById('app');
  if (root === null) throw new Error('no root');
  let unmount = (): void => undefined;
  await doing(() => void (unmount = mount(app, root, { version: '1.2.3' })));
  const all = (selector: string, label = ''): HTMLElement[] =>
    [...document.querySelectorAll<HTMLElement>(selector)].filter((e) => (e.getAttribute('aria-label') ?? e.textContent ?? '').includes(label));
  const find = <E extends HTMLElement>(selector: string, label = ''): E => {
    const [only, ...more] = all(selector, label);
    if (only === undefined || more.length > 0) throw new Error(`${more.length + (only ? 1 : 0)} × ${selector} “${label}” in: ${document.body.textContent}`);
    return only as E;
  };
  return {
    text: () => root.textContent ?? '',
    find,
    all,
    click: (selector, label) => doing(() => find(selector, label).click()),
    type: (selector, text) =>
      doing(() => {
        const field = find<HTMLInputElement>(selector);
        field.value = text;
        field.dispatchEvent(new Event('input', { bubbles: true }));
      }),
    key: (selector, key, more = {}) =>
      doing(() => void find(selector).dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true, ...more }))),
    submit: (selector = 'form') => doing(() => find<HTMLFormElement>(selector).requestSubmit()),
    act: doing,
    close: unmount,
  };
}

// An effect asks the app, the answer changes the screen, and that may run an effect again.
async function doing(f: () => void | Promise<void>): Promise<void> {
  await act(async () => {
    await f();
    await settle();
  });
  for (let i = 0; i < 3; i++) await act(settle);
  // Parts of the app are fetched when they are needed.
  await act(async () => {
    await vi.dynamicImportSettled();
    await settle();
  });
  await act(settle);
}

// The fake answers in microtasks (delay 0): a few turns are enough for every chain of them.
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}
